"""The worker process of one GPU: loads the networks and serves calls until the server has gone.

Its only argument is the descriptor of a socket on which the options come first.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice, Half
from musetalk_fast.engines.musetalk.compute import Compute, ComputeOptions, load_compute
from musetalk_fast.engines.musetalk.worker_messages import Arrays, receive, send
from musetalk_fast.errors import DeviceFaultError, MuseTalkError

_LOG = logging.getLogger(__name__)


def main() -> None:
    """Work until the socket's other end closes."""
    # Ctrl-C in a terminal reaches all processes: the server ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = int(sys.argv[1])
    threading.Thread(target=_end_with_server, args=[descriptor], daemon=True).start()
    with Connection(descriptor) as connection:
        try:
            _serve(connection)
        except (EOFError, OSError):
            return  # the server has gone


def _end_with_server(descriptor: int) -> None:
    """End this process when the server has gone, whatever it is at: a call may never return."""
    watch = select.poll()
    watch.register(descriptor, getattr(select, "POLLRDHUP", 0))
    watch.poll()
    os._exit(0)


def _serve(connection: Connection) -> None:
    head, _ = receive(connection)
    try:
        compute = load_compute(_options(head))
        call_secs = compute.warm_up()
    except Exception as error:  # noqa: BLE001 - whatever it is, the server reports it
        send(connection, _told(error))
        return
    send(connection, {"info": asdict(compute.info), "call_secs": call_secs})
    while True:
        head, arrays = receive(connection)
        try:
            found = _answer(compute, head["work"], arrays)
        except DeviceFaultError as error:
            _LOG.error("%s", error)
            sys.exit(DeviceFaultError.exit_code)  # another process may use the GPU again
        except Exception as error:  # noqa: BLE001 - the server's request fails, the worker goes on
            send(connection, _told(error))
        else:
            send(connection, {"memory": list(compute.memory().values())}, found)


def _answer(compute: Compute, work: str, arrays: Arrays) -> Arrays:
    if work == "features":
        return [compute.features(arrays[0])]
    if work == "latents":
        return [compute.latents(list(arrays[0]))]
    if work == "labels":
        return [compute.labels(arrays[0])]
    return [compute.crops(arrays[0], arrays[1])]


def _options(head: dict[str, Any]) -> ComputeOptions:
    return ComputeOptions(
        models=Path(head["models"]),
        device=DeviceChoice(head["device"]),
        half=Half(head["half"]),
        batch=head["batch"],
        draft=head["draft"],
        sampled=head["sampled"],
        parser=head["parser"],
    )


def _told(error: Exception) -> dict[str, Any]:
    """An error as the server raises it again; those that are no errors of ours are logged here."""
    if isinstance(error, MuseTalkError):
        members = (type(error).__name__, error.message, error.where, error.hint)
    else:
        _LOG.error("a worker failed", exc_info=error)
        members = ("", f"{type(error).__name__}: {error}"[:500], None, None)
    return {"error": members}
