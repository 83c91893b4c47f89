"""Negotiation with a server: engine, capabilities, wire."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import aiohttp

from musetalk_fast import errors
from musetalk_fast.client.address import Address, parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.connection_errors import has_hung_up
from musetalk_fast.client.credentials import NOTHING, load_credentials
from musetalk_fast.client.http_errors import why_busy
from musetalk_fast.client.tls_probe import speaks_tls
from musetalk_fast.config import AUTO_WIRE, BUILTIN, ServerSettings
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import CROP_SIZE, CropEncoding
from musetalk_fast.wire.media_types import INFER, WIRES, Wire, names_of
from musetalk_fast.wire.requests import INFER_ENGINE, Health, Info, infer_info

_NOT_LOADED = "its model is not loaded yet: the first frame takes as long as that"
_PROBE_SECS = 3.0
"""How long the default server may take to answer a probe."""


@dataclass(frozen=True, slots=True, eq=False)
class NegotiatedServer:
    """An open connection and what its server can do.

    Attributes:
        builtin: it is our own child.
        wire: of its responses; `INFER`: full frames, from `client.infer`.
        model_loaded: else its first request takes as long as that, in silence.
        notes: what the user should know about the connection.
    """

    connection: Connection
    info: Info
    builtin: bool
    wire: Wire
    model_loaded: bool = True
    notes: tuple[str, ...] = ()


async def open_server(
    url: str, settings: ServerSettings, stack: AsyncExitStack, *, builtin: bool = False
) -> NegotiatedServer:
    """Connect to a server and learn what it can do.

    Args:
        url: of this server; the settings may have several.

    Raises:
        errors.ServerUnreachableError, errors.NotAServerError, errors.ServerBusyError,
            errors.NotAuthorisedError: it cannot.
        errors.ServerRefusedError: it lacks the wire that the settings force, or has none of ours.
        errors.InvalidSettingError: the key or a certificate cannot be read.
    """
    address = parse_address(url)
    if builtin:
        address = replace(address, name=BUILTIN)
    credentials = NOTHING if builtin else await run_in_thread(partial(load_credentials, settings))
    connection = await stack.enter_async_context(
        Connection(
            address,
            settings.timeout_secs,
            credentials,
            frame_timeout_secs=settings.frame_timeout_secs,
        )
    )
    health = await _health(connection, settings.wire)
    if health.status != "healthy":
        raise errors.ServerBusyError(why_busy(health.status), where=address.name)
    info = await _info(connection, settings.wire, health)
    wire = _choose(info, settings.wire, address.name)
    notes = credentials.notes(address) + (() if health.model_loaded else (_NOT_LOADED,))
    return NegotiatedServer(connection, info, builtin, wire, health.model_loaded, notes)


async def probe(url: str) -> bool:
    """Whether a MuseTalk server answers there; anything else counts as none."""
    try:
        async with Connection(parse_address(url), _PROBE_SECS) as connection:
            await _health(connection, AUTO_WIRE)
    except errors.ServerBusyError:
        return True
    except errors.ServerError:
        return False
    return True


def check_limits(
    server: NegotiatedServer,
    encoding: CropEncoding,
    fps: Fraction,
    size: tuple[int, int],
    source_frames: int,
    assets: Mapping[str, int],
) -> None:
    """Refuse what the server says it does not do, before anything is sent.

    Args:
        size: (width, height) of the avatar in pixels.
        source_frames: how many the avatar has.
        assets: what will be uploaded, in bytes.

    Raises:
        errors.ServerLimitError: limit and value are named.
    """
    info, where = server.info, server.connection.address.name

    def refuse(message: str, hint: str | None = None) -> errors.ServerLimitError:
        return errors.ServerLimitError(message, where=where, hint=hint)

    if info.crop_size != CROP_SIZE:
        raise refuse(f"makes crops of {info.crop_size} pixels; this client takes {CROP_SIZE}")
    if encoding not in info.encodings:
        have = ", ".join(known.value for known in info.encodings)
        raise refuse(f"has no {encoding.value} crops", f"--frame-encoding: {have or 'none'}")
    if fps > info.max_fps:
        raise refuse(
            f"{float(fps):g} frames a second are more than its limit of {info.max_fps:g}",
            "choose a smaller --fps",
        )
    if refusal := _refused_avatar(info, size, source_frames):
        raise refuse(*refusal)
    for name, length in assets.items():
        if length > info.max_asset_bytes:
            raise refuse(f"{name} of {length} bytes; its limit is {info.max_asset_bytes}")


def _refused_avatar(
    info: Info, size: tuple[int, int], source_frames: int
) -> tuple[str, str] | None:
    """Why a server does not take such an avatar, with a hint."""
    if max(size) > info.max_size:
        side = f"its limit is {info.max_size} a side"
        return f"an avatar of {size[0]}x{size[1]} pixels; {side}", "choose a smaller --resolution"
    if source_frames > info.max_source_frames == 1:
        return "takes no videos as avatars", "give a picture, or choose another server"
    if source_frames > info.max_source_frames:
        limit = f"its limit is {info.max_source_frames}"
        return f"an avatar of {source_frames} frames; {limit}", "cut the video"
    return None


async def _health(connection: Connection, wire: str) -> Health:
    try:
        document = await connection.document("/health")
    except errors.ServerError as error:
        if _may_be_tls(error, connection.address) and await speaks_tls(connection.address):
            raise errors.TlsError(
                "this port speaks TLS", where=connection.address.name, hint="use https://"
            ) from error
        raise
    infer_health = Health.from_infer(document)
    if infer_health is None and document is None and wire == INFER.name:
        return _UNKNOWN
    return infer_health or connection.read("/health", document, Health.from_json)


def _may_be_tls(error: errors.ServerError, address: Address) -> bool:
    """Whether what an `http://` port answered, if anything, is what one of TLS may answer."""
    if not address.base.startswith("http:") or address.socket is not None:
        return False
    # An alert is no HTTP; nginx sends a page with 400.
    is_alert = isinstance(error.__cause__, aiohttp.ClientResponseError)
    is_page = isinstance(error, errors.ServerRefusedError)
    return is_alert or is_page or has_hung_up(error.__cause__)


async def _info(connection: Connection, wire: str, health: Health) -> Info:
    is_infer_only = not health.protocol
    if is_infer_only and wire == INFER.name:
        return infer_info(health)
    document = await connection.document("/v1/info")
    if is_infer_only and document is None:
        return infer_info(health)
    return connection.read("/v1/info", document, Info.from_json)


def _choose(info: Info, setting: str, where: str) -> Wire:
    """The best wire that both sides have, or the one that the setting forces."""
    if setting == INFER.name:
        return INFER  # beside what /v1/info lists
    for wire in WIRES:
        if wire.media_type in info.wires and setting in (AUTO_WIRE, wire.name):
            return wire
    wanted = "any wire that is known here" if setting == AUTO_WIRE else f"the wire {setting}"
    raise errors.ServerRefusedError(
        f"does not speak {wanted}; it has: {names_of(info.wires) or 'none'}",
        where=where,
        hint=None if setting == AUTO_WIRE else "--wire auto takes the best one that it has",
    )


_UNKNOWN = Health(
    protocol=0,
    status="healthy",
    version="unknown",
    model_loaded=True,
    gpu_available=False,
    gpu_name=None,
    engine=INFER_ENGINE,
)
"""A server that the settings declare to know `POST /infer`, and that does not say so itself."""
