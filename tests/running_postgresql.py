"""A PostgreSQL of the package ``pgserver``, in a folder of its own, for as long as the tests run.

Its own way of starting waits for the disk and gives up after ten seconds; what tests keep need not
survive the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PATIENCE = 120
"""Seconds, on a machine where much else is going on."""

SETTINGS = ["-clisten_addresses=", "-cfsync=off", "-cwal_level=minimal",
            "-cmax_wal_senders=0", "-cfull_page_writes=off", "-cshared_buffers=32MB"]  # fmt: skip

STOP = 'read line; kill -INT "$0"; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"'
"""Ends the server once nobody holds the other end of a pipe: also if the tests were killed."""


@contextmanager
def running_postgresql() -> Iterator[str]:
    """Yield the URL of a server that listens on a socket only; stop it and delete its folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses XDG_RUNTIME_DIR
        import pgserver
        from pgserver import utils
    programs = Path(pgserver.__file__).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    data, log = folder / "data", folder / "log"
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        utils.ensure_user_exists("pgserver")
        utils.ensure_prefix_permissions(programs)
        utils.ensure_folder_permissions(programs, 0o055)
        utils.ensure_folder_permissions(programs.parent / "lib", 0o044)
        shutil.chown(folder, "pgserver")
        who = {"user": "pgserver", "extra_groups": [], "cwd": folder}
    try:
        subprocess.run(
            [programs / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust",
             "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True, capture_output=True, **who,
        )  # fmt: skip
        with log.open("wb") as told:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, *SETTINGS],
                stdout=told, stderr=told, **who,
            )  # fmt: skip
        watch = ["sh", "-c", STOP, str(server.pid), str(folder)]
        with subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True) as watching:
            try:
                uri = f"postgresql://postgres@/postgres?host={folder}"
                _wait(server, uri, log)
                yield uri
            finally:
                assert watching.stdin
                watching.stdin.close()
                server.wait(PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    """Return once the server answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(uri).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}") from None
        time.sleep(0.02)
