"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], object], seconds: float = 60) -> None:
    """Return once ``happened`` returns something true; fail if it never does."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"{happened} was waited for in vain"
        time.sleep(0.001)
