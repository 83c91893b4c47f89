"""A real server process with the pattern engine: `serve_pattern.py JSON`.

Members of the document: `engine`, `limits`, `options`, `api_key`, `api_key_file`, `tls`;
`send_bytes`, the kernel's buffer of what a client has not read yet.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pattern_engine import PatternEngine

from musetalk_fast.config.api_key import read_key_file
from musetalk_fast.server import run
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.run import ServerOptions, serve
from musetalk_fast.server.sockets import Listener, open_listener
from musetalk_fast.server.tls import server_context
from musetalk_fast.server.users import KeyRing


def _buffer_little(length: int) -> None:
    """Connections inherit it from the sockets that listen."""

    @contextmanager
    def opened(*where: Any) -> Iterator[Listener]:
        with open_listener(*where) as listener:
            for bound in listener.sockets:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, length)
            yield listener

    run.open_listener = opened


def main(text: str) -> int:
    asked = json.loads(text)
    if "send_bytes" in asked:
        _buffer_little(asked["send_bytes"])
    options = {"port": 0, **asked.get("options", {})}
    for name in ("socket", "store_dir"):
        if name in options:
            options[name] = Path(options[name])
    if "api_key" in asked:
        options["keys"] = KeyRing.of_one(asked["api_key"])
    if "api_key_file" in asked:
        options["keys"] = KeyRing.of_one(read_key_file(Path(asked["api_key_file"])))
    if "tls" in asked:
        files = (asked["tls"].get(name) for name in ("cert", "key", "client_ca"))
        options["tls"] = server_context(*(name and Path(name) for name in files))
    engine = asked.get("engine", {})
    for name in ("journal", "loaded"):
        if name in engine:
            engine[name] = Path(engine[name])
    number = serve(
        lambda: PatternEngine(**engine),
        ServerOptions(**options),
        Limits(**asked.get("limits", {})),
        lambda address: print(f"listening on {address}", flush=True),
    )
    return 0 if number is None else 128 + number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
