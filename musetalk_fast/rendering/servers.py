"""Opens the server that a render uses: the chosen one, the one at home, or the built-in."""

from __future__ import annotations

from contextlib import AsyncExitStack

from musetalk_fast.builtin import BuiltinServer
from musetalk_fast.client.choice import ChosenServer, open_server, probe
from musetalk_fast.config import BUILTIN, DEFAULT_SERVER, ServerSettings
from musetalk_fast.errors import ServerUnreachableError
from musetalk_fast.events import ServerEvent, WarningEvent
from musetalk_fast.planning import OnEvent

_FALLBACK_NOTE = (
    f"no MuseTalk server at {DEFAULT_SERVER}: using the built-in preview engine "
    "(a preview, not MuseTalk); choose a server with -s"
)


async def engage(
    settings: ServerSettings, stack: AsyncExitStack, on_event: OnEvent, *, fallback: bool
) -> ChosenServer:
    """Open the server and tell which it is; it closes with `stack`.

    Raises:
        errors.ServerError: a chosen server does not answer, or none does and `fallback` is off.
    """
    url = settings.url or await _at_home(on_event, fallback=fallback)
    builtin = url == BUILTIN
    if builtin:
        url = (await stack.enter_async_context(BuiltinServer())).address
    server = await open_server(url, settings.timeout_secs, stack, builtin=builtin)
    on_event(
        ServerEvent(
            url=BUILTIN if builtin else server.connection.address.name,
            engine=server.info.engine,
            model=server.info.model,
            builtin=builtin,
            wire=server.wire,
        )
    )
    return server


async def _at_home(on_event: OnEvent, *, fallback: bool) -> str:
    """The address to use when the user named none."""
    if await probe(DEFAULT_SERVER):
        return DEFAULT_SERVER
    if not fallback:
        raise ServerUnreachableError("no MuseTalk server answers", where=DEFAULT_SERVER)
    on_event(WarningEvent(message=_FALLBACK_NOTE, token="MTF-BUILTIN"))
    return BUILTIN
