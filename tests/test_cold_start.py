"""The first run on a new machine: nothing compiled, nothing in the home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_runs_with_nothing_compiled_and_leaves_nothing_behind(tmp_path):
    home, cache, here = (tmp_path / name for name in ("home", "cache", "here"))
    for folder in (home, here):
        folder.mkdir()
    env = os.environ | {"NUMBA_CACHE_DIR": str(cache), "HOME": str(home)}
    command = [Path(sys.executable).parent / "penchant", "demo"]
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "GroupLens" in done.stdout
    assert "NDCG" in done.stdout
    assert "because you liked" in done.stdout
    assert any(cache.rglob("*.nbi"))
    assert not any(here.iterdir())
    assert not any(home.iterdir())
