"""One GPU's process: loads the networks, and does what the server asks for, until it has gone.

    python -m musetalk_fast.engines.musetalk.worker_process FD

FD is a socket on which the options come first.
"""

from __future__ import annotations

import logging
import signal
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from musetalk_fast.engines.musetalk.accelerator import DeviceChoice, Half
from musetalk_fast.engines.musetalk.compute import Compute, ComputeOptions, load_compute
from musetalk_fast.engines.musetalk.worker_messages import Arrays, receive, send
from musetalk_fast.errors import MuseTalkError

_LOG = logging.getLogger(__name__)


def main() -> None:
    """Work until the socket's other end closes."""
    # Ctrl-C in a terminal reaches all processes: the server ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as connection:
        try:
            _serve(connection)
        except (EOFError, OSError):
            return  # the server has gone


def _serve(connection: Connection) -> None:
    head, _ = receive(connection)
    try:
        compute = load_compute(_options(head))
    except Exception as error:  # noqa: BLE001 - whatever it is, the server reports it
        send(connection, _told(error))
        return
    send(connection, {"info": asdict(compute.info)})
    while True:
        head, arrays = receive(connection)
        try:
            found = _answer(compute, head["work"], arrays)
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


if __name__ == "__main__":
    main()
