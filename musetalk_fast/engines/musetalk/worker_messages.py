"""Messages between the server and its workers: a head in JSON, then arrays as they are.

Both ends are this program; nothing is pickled all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

Arrays: TypeAlias = list[NDArray[Any]]
_DTYPES = {"float16", "float32", "uint8"}
_MAX_HEAD = 1 << 16


def send(connection: Connection, head: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Send a message.

    Raises:
        OSError: the other end has gone.
    """
    shapes = [[each.dtype.name, *each.shape] for each in arrays]
    connection.send_bytes(orjson.dumps({**head, "arrays": shapes}))
    for each in arrays:
        connection.send_bytes(np.ascontiguousarray(each).reshape(-1).view(np.uint8).data)


def receive(connection: Connection) -> tuple[dict[str, Any], Arrays]:
    """Wait for a message.

    Raises:
        EOFError, OSError: the other end has gone.
    """
    head: dict[str, Any] = orjson.loads(connection.recv_bytes(_MAX_HEAD))
    arrays: Arrays = []
    for name, *shape in head.pop("arrays"):
        if name not in _DTYPES:
            raise OSError(f"a worker sent numbers of the type {name}")
        found = np.empty(shape, name)
        connection.recv_bytes_into(found.reshape(-1).view(np.uint8).data)
        arrays.append(found)
    return head, arrays
