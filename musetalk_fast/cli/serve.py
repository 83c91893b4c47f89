"""`serve`: the server, in the foreground."""

from __future__ import annotations

import ipaddress
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musetalk_fast.cli.musetalk_options import MUSETALK_OPTIONS, musetalk_options

if TYPE_CHECKING:
    import ssl

    from musetalk_fast.server.run import ServerOptions
    from musetalk_fast.server.users import KeyRing


def _bytes(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    from musetalk_fast.config.byte_size import BYTE_SIZE

    try:
        return int(BYTE_SIZE.parse(value))
    except ValueError as error:
        raise click.BadParameter(f"it {error}") from None


_EXAMPLES = """\b
Examples:
  musetalk-fast serve --port 8000
  musetalk-fast serve --unix server.sock
  musetalk-fast serve --host 0.0.0.0 --api-key-file key.txt
  musetalk-fast serve --host 0.0.0.0 --keys-file keys.toml
  musetalk-fast serve --engine musetalk --models-dir MuseTalk/models
"""


class _ServeCommand(click.Command):
    """Prepares the process before anything else: reading the options' values loads NumPy."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _leave_processors_to_others()
        return super().parse_args(ctx, args)


@click.command(cls=_ServeCommand, epilog=_EXAMPLES, short_help="Run a server.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
    help="Address to listen at; 0.0.0.0 for all networks of this machine.",
)  # fmt: skip
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), metavar="NUMBER",
    help="Port to listen at; 0 for any free one.",
)  # fmt: skip
@click.option(
    "--unix", "socket", type=click.Path(path_type=Path), metavar="PATH",
    help="Listen at a Unix socket instead.",
)  # fmt: skip
@click.option(
    "--engine", default="preview", show_default=True, metavar="NAME",
    help="What makes the mouths: preview, musetalk, or the name of a plug-in.",
)  # fmt: skip
@musetalk_options
@click.option(
    "--max-streams", default=16, show_default=True, type=click.IntRange(1, 1024), metavar="NUMBER",
    help="Concurrent requests; more are refused with 429.",
)  # fmt: skip
@click.option(
    "--store-dir", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Keep uploads here. Default: they are removed when the server ends.",
)  # fmt: skip
@click.option(
    "--store-bytes", default="4G", show_default=True, callback=_bytes, metavar="SIZE",
    help="Disk space for uploads; the least recently used go.",
)  # fmt: skip
@click.option(
    "--max-asset-bytes", default="1G", show_default=True, callback=_bytes, metavar="SIZE",
    help="Longest upload.",
)  # fmt: skip
@click.option(
    "--api-key-file", type=click.Path(path_type=Path), metavar="FILE",
    help="Serve only requests that have the API key in this file.",
)  # fmt: skip
@click.option(
    "--keys-file", type=click.Path(path_type=Path), metavar="FILE",
    help="Serve only requests that have one of the API keys in this TOML file, each with a name "
    "and limits: see docs/server.md.",
)  # fmt: skip
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="NAME",
    help="Answer to this name too, in the Host header of requests; may be given several times.",
)  # fmt: skip
@click.option(
    "--page/--no-page", "has_page", default=True,
    help="Show a page for browsers at / to try the server with (default).",
)  # fmt: skip
@click.option(
    "--tls-cert", type=click.Path(path_type=Path), metavar="FILE",
    help="Speak https with this certificate (PEM).",
)  # fmt: skip
@click.option(
    "--tls-key", type=click.Path(path_type=Path), metavar="FILE",
    help="The certificate's key, if it is not in the same file.",
)  # fmt: skip
@click.option(
    "--tls-client-ca", type=click.Path(path_type=Path), metavar="FILE",
    help="Let in only clients with a certificate of these authorities.",
)  # fmt: skip
@click.option("--runtime-dir", type=click.Path(path_type=Path, file_okay=False), hidden=True)
@click.option("--lifeline-fd", type=click.IntRange(3), hidden=True)
def serve(
    engine: str,
    max_streams: int,
    store_bytes: int,
    max_asset_bytes: int,
    **others: Any,
) -> None:
    """Run the server that makes the mouths, until SIGTERM or Ctrl-C.

    The first signal lets running streams finish, a second one cuts them. Without
    --api-key-file, --keys-file or --tls-client-ca anyone reaching the port can use
    the server.
    """
    from musetalk_fast.cli.signals import Stopped, unwind_on_signals
    from musetalk_fast.engines.registry import find_engine
    from musetalk_fast.server.limits import Limits
    from musetalk_fast.server.run import serve

    limits = Limits(
        max_streams=max_streams, store_bytes=store_bytes, max_asset_bytes=max_asset_bytes
    )
    given = {name: others.pop(name) for name in MUSETALK_OPTIONS}
    options = _server_options(**others)
    make_engine = find_engine(engine, _said(given))
    unwind_on_signals()
    announce = partial(_announce, engine, has_page=options.has_page, is_draft=given["draft"])
    number = serve(make_engine, options, limits, announce, _say_that_it_drains)
    if number is not None:
        raise Stopped(number)


def _said(given: dict[str, object]) -> dict[str, object]:
    """Options that are not left out; a number that is 0 is one."""
    return {name: each for name, each in given.items() if each is not None and each is not False}


def _server_options(
    *,
    host: str,
    port: int,
    socket: Path | None,
    store_dir: Path | None,
    api_key_file: Path | None,
    keys_file: Path | None,
    allow_hosts: tuple[str, ...],
    has_page: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    runtime_dir: Path | None,
    lifeline_fd: int | None,
) -> ServerOptions:
    """Where it listens and who may use it; warns if everybody may."""
    from musetalk_fast.server.run import ServerOptions

    keys = _keys(api_key_file, keys_file)
    tls = _tls(socket, tls_cert, tls_key, tls_client_ca)
    if not (socket or _is_loopback(host)):
        _warn(host, is_open=not (keys or tls_client_ca), is_http=tls is None)
    return ServerOptions(
        host=host,
        port=port,
        socket=socket,
        store_dir=store_dir,
        runtime_dir=runtime_dir,
        lifeline=lifeline_fd,
        keys=keys,
        tls=tls,
        allow_hosts=allow_hosts,
        has_page=has_page,
    )


def _keys(api_key_file: Path | None, keys_file: Path | None) -> KeyRing | None:
    from musetalk_fast.config.api_key import read_key_file
    from musetalk_fast.errors import UsageError
    from musetalk_fast.server.key_file import read_keys
    from musetalk_fast.server.users import KeyRing

    if api_key_file and keys_file:
        raise UsageError("--api-key-file and --keys-file exclude each other")
    if keys_file:
        return read_keys(keys_file)
    return KeyRing.of_one(read_key_file(api_key_file)) if api_key_file else None


def _leave_processors_to_others() -> None:
    """Keep OpenBLAS to one thread, before NumPy is loaded.

    Its threads spin while they wait: beside busy encoders small systems take ten times as long.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _announce(engine: str, address: str, *, has_page: bool, is_draft: bool) -> None:
    from musetalk_fast.cli.display import print_error, print_out

    # Programs that start a server read this line.
    print_out(f"listening on {address}")
    if engine == "preview":
        print_error("engine preview: a preview, not MuseTalk")
    if has_page and not address.startswith("unix:"):
        print_error(f"to try it in a browser, open {address}/")
    if is_draft:
        print_error("drafts: TAESD decodes the mouths, which are not MuseTalk's picture")


def _say_that_it_drains() -> None:
    from musetalk_fast.cli.display import print_error

    print_error("stopping once running streams have ended; Ctrl-C or SIGTERM again cuts them")


def _tls(
    socket: Path | None, cert: Path | None, key: Path | None, client_ca: Path | None
) -> ssl.SSLContext | None:
    from musetalk_fast.errors import UsageError

    if cert is None:
        if key or client_ca:
            raise UsageError("--tls-key and --tls-client-ca need --tls-cert")
        return None
    if socket is not None:
        raise UsageError("a Unix socket has no TLS: drop --tls-cert or --unix")
    from musetalk_fast.server.tls import server_context

    return server_context(cert, key, client_ca)


def _warn(host: str, *, is_open: bool, is_http: bool) -> None:
    if is_open:
        message = f"there is no key: anyone who reaches {host} can use it"
        click.echo(f"warning: {message} (MTF-SERVE-NO-KEY)", err=True)
    if is_http:
        message = "without --tls-cert what is sent here can be read on the network"
        click.echo(f"warning: {message} (MTF-SERVE-NO-TLS)", err=True)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
