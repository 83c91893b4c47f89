"""Opens the servers that a render uses: the chosen ones, the default one, or the built-in."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from musetalk_fast.client.negotiate import NegotiatedServer, open_server, probe
from musetalk_fast.client.pool import Member, Pool
from musetalk_fast.client.server_link import ServerLink
from musetalk_fast.config import BUILTIN, DEFAULT_SERVER, Settings
from musetalk_fast.errors import ServerError, ServerUnreachableError
from musetalk_fast.events import OnEvent, WarningEvent
from musetalk_fast.rendering.progress import failure_event
from musetalk_fast.server_process import ServerProcess

_FALLBACK_NOTE = (
    f"no MuseTalk server at {DEFAULT_SERVER}: using the built-in preview engine "
    "(a preview, not MuseTalk); choose a server with -s"
)


async def open_servers(
    settings: Settings, stack: AsyncExitStack, on_event: OnEvent, *, fallback: bool
) -> Pool:
    """Open the servers; return once one of them answers. They close with `stack`.

    Raises:
        errors.ServerError: no chosen server answers, or none is there and `fallback` is off.
    """
    urls = settings.server.url or [await _default_server(on_event, fallback=fallback)]
    pool = Pool([
        Member(
            url,
            ServerLink(partial(_connect, url, settings, stack)),
            settings.processing.max_retries,
        )
        for url in urls
    ])  # fmt: skip
    await pool.open(lambda _member, error, secs: on_event(failure_event(error, secs)))
    return pool


async def any_answers(settings: Settings) -> bool:
    """Whether anything answers at one of the chosen servers' addresses, or at the default one."""
    for url in settings.server.url or (DEFAULT_SERVER,):
        if url == BUILTIN:
            return True
        async with AsyncExitStack() as stack:
            try:
                await open_server(url, settings.server, stack, builtin=False)
            except ServerUnreachableError:
                continue
            except ServerError:
                pass
            return True
    return False


async def _connect(url: str, settings: Settings, stack: AsyncExitStack) -> NegotiatedServer:
    builtin = url == BUILTIN
    async with AsyncExitStack() as attempt:
        if builtin:
            url = (await attempt.enter_async_context(ServerProcess())).address
        server = await open_server(url, settings.server, attempt, builtin=builtin)
        stack.push_async_exit(attempt.pop_all())
        return server


async def _default_server(on_event: OnEvent, *, fallback: bool) -> str:
    """The address to use when the user named none."""
    if await probe(DEFAULT_SERVER):
        return DEFAULT_SERVER
    if not fallback:
        raise ServerUnreachableError("no MuseTalk server answers", where=DEFAULT_SERVER)
    on_event(WarningEvent(message=_FALLBACK_NOTE, token="MTF-BUILTIN"))
    return BUILTIN
