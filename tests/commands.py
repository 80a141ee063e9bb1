"""Commands as somebody types them, and the files that they are tried on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result

import penchant as pt
from penchant.cli import app

Run = Callable[..., Result]

PLANTED = Path(pt.__file__).parent / "planted"
RATINGS, ITEMS = PLANTED / "ratings.csv", PLANTED / "items.csv"


def typed(*words: object, code: int = 0) -> Result:
    """Run a command; a mistake, of code 2, must end in one line, not in a traceback."""
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert "Traceback" not in found.output
    assert found.exit_code == code, (found.output, found.exception)
    assert code == 0 or isinstance(found.exception, SystemExit)
    return found
