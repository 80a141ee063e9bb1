"""Worker processes behind one port: started, watched, drained and ended."""

from __future__ import annotations

import errno
import gc
import http.client
import ipaddress
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from threadpoolctl import threadpool_limits

from penchant.errors import BadParameter, MissingExtra

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from litestar import Litestar

try:
    import msgspec
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server
except ImportError as e:
    raise MissingExtra("penchant serve", "granian", "serve") from e

from penchant.serving import logs
from penchant.serving.access import Policy
from penchant.serving.meters import Meters
from penchant.serving.schedule import Plan, scheduled
from penchant.store.store import Store

DRAIN = 10
"""Seconds that requests in flight have to end."""

HEADERS = 10
"""Seconds in which a client has to send the headers of a request."""

UP = 60.0
"""Seconds within which the first worker has to answer."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to serve.

    Parameters
    ----------
    store : URL of the store.
    models : folder of the models; None: beside the SQLite file.
    host, port : where to listen; port 0 takes one that is free.
    workers : processes.
    policy : who is let in; whether only this machine can reach the service, and how many workers
        share a limit, follow from the rest.
    log : lines on standard error as "json" or as "text".
    train : when to train, and what that may take; None: nobody does here.
    run : folder for what the workers of this run count together; None: one is made.
    """

    store: str
    models: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    policy: Policy = field(default_factory=Policy)
    log: Literal["json", "text"] = "json"
    train: Plan | None = None
    run: Path | None = None


def serve(settings: Settings, *, ready: Callable[[str, bool], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; requests in flight are answered first.

    Parameters
    ----------
    ready : called once a worker answers, with the address, and whether there is a model.

    Raises
    ------
    BadParameter : the port is taken, or others could reach a service that has no key.
    BadStore : the store cannot be opened.
    """
    with Store.open(settings.store, models=settings.models) as store:
        if not loopback(settings.host) and not store.keys.any():
            raise BadParameter(
                f"--host {settings.host} can be reached from other machines, and the store has no "
                "key: make one first (penchant keys create NAME --scope admin --store ...), or "
                "serve on 127.0.0.1"
            )
        trained = store.models.in_use() is not None
    port = _free(settings.host, settings.port)
    # Each worker starts afresh, whatever this process has done.
    multiprocessing.set_start_method("spawn", force=True)
    server = Server(
        "penchant",
        address=settings.host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # while it waits to see which version comes, no time is kept
        workers=settings.workers,
        loop=Loops.asyncio,
        websockets=False,
        backlog=1024,
        log_level=LogLevels.warning,
        log_dictconfig=logs.configuration(settings.log),
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS * 1000, max_buffer_size=65_536),
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN,
    )
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{name}:{port}"
    told = partial(ready, address, trained)
    waiting = threading.Thread(target=_when_up, args=(settings.host, port, told))
    waiting.daemon = True
    waiting.start()
    with tempfile.TemporaryDirectory(prefix="penchant-run-") as folder:
        policy = msgspec.structs.replace(
            settings.policy, loopback=loopback(settings.host), workers=settings.workers
        )
        each = replace(settings, policy=policy, run=settings.run or Path(folder))
        with nullcontext() if settings.train is None else scheduled(settings.train):
            server.serve(target_loader=partial(application, each), wrap_loader=False)


def application(settings: Settings) -> Litestar:
    """Return the application of one worker process, over a store of its own."""
    from penchant.serving.app import create_app

    sys.setswitchinterval(0.0005)  # so that the thread that reads requests is not kept waiting
    os.environ["PENCHANT_THREADS"] = "1"  # requests share the cores, not the loops within one
    threadpool_limits(1)
    store = Store.open(settings.store, models=settings.models)
    app = create_app(store, policy=settings.policy, meters=Meters(settings.run))
    gc.collect()
    gc.freeze()  # what is there for good is not gone through again while requests wait
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()
    return app


def _end_after(parent: BaseProcess) -> None:
    """End this worker once the process that watches it was killed: it would hold the port."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(DRAIN)  # what is in flight is answered
    os._exit(128 + signal.SIGTERM)


def loopback(host: str) -> bool:
    """Whether only this machine can reach a host's address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _free(host: str, port: int) -> int:
    """Return the port, or a free one for 0; raise BadParameter if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                raise BadParameter(
                    f"port {port} of {host} is taken, by another server perhaps: choose another "
                    "with --port"
                ) from None
            raise BadParameter(f"cannot listen on {host}, port {port}: {e.strerror}") from None
        return int(probe.getsockname()[1])


def _when_up(host: str, port: int, ready: Callable[[], None]) -> None:
    """Call ``ready`` once a worker answers."""
    until = time.monotonic() + UP
    where = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    while time.monotonic() < until:
        connection = http.client.HTTPConnection(where, port, timeout=2)
        try:
            connection.request("GET", "/health/live", headers={"Host": f"localhost:{port}"})
            if connection.getresponse().status == 200:
                ready()
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
