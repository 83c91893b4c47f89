"""Avatars that several renders use: opened once, looked at once, packed once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from musetalk_fast.events import Event, OnEvent
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.background import background_file
from musetalk_fast.media.image import Asset
from musetalk_fast.planning import AvatarWanted, SeenAvatar, see_avatar
from musetalk_fast.rendering.planned_input import FileState, file_state
from musetalk_fast.types import ColourTags
from musetalk_fast.video.band_encoder import StillRows
from musetalk_fast.video.still_rows import BandChoice

RowsKey = tuple[BandChoice, Fraction, ColourTags]
"""What the rows of a still that never change are encoded by."""

_MOST_ROWS = 4
"""Of an avatar: videos of other sizes of its band, or by other settings."""
_MOST = 4
"""Avatars in memory that no render may need any more: a still of 4K takes about 40 MB."""


@dataclass(slots=True, eq=False)
class _Known:
    """One avatar, or what is going to be one once its lock is free."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    packing: threading.Lock = field(default_factory=threading.Lock)
    avatar: AvatarSource | None = None
    seen: SeenAvatar | None = None
    asset: Asset | None = None
    said: list[Event] = field(default_factory=list)
    still_rows: list[tuple[RowsKey, StillRows]] = field(default_factory=list)


class SharedAvatars:
    """Serves several threads at a time; who asks for what another one opens waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()

    def see(self, wanted: AvatarWanted, on_event: OnEvent) -> SeenAvatar:
        """As `planning.see_avatar`; what it says is said to every render."""
        key = _key(wanted)
        if key is None:
            return see_avatar(wanted, on_event)
        known = self._entry(key)
        with known.lock:
            if known.seen is not None:
                wanted.on_avatar(known.seen.avatar)
                for event in known.said:
                    on_event(event)
                return known.seen

            known.seen = _seen(known, wanted, on_event)
            return known.seen

    def asset(self, avatar: AvatarSource) -> Asset:
        """What a server gets of it."""
        known = self._of(avatar)
        if known is None:  # it was forgotten meanwhile
            return avatar.asset()
        with known.packing:
            known.asset = known.asset or avatar.asset()
            return known.asset

    def still_rows(
        self, avatar: AvatarSource, key: RowsKey, encode: Callable[[], StillRows]
    ) -> StillRows:
        """The rows of a still that never change, encoded once for all videos that show them.

        Raises:
            UnsupportedStreamError: as `encode`.
        """
        known = self._of(avatar)
        if known is None:
            return encode()
        with known.packing:
            for there, rows in known.still_rows:
                if there == key:
                    return rows
            rows = encode()
            known.still_rows = [(key, rows), *known.still_rows][:_MOST_ROWS]
            return rows

    def _of(self, avatar: AvatarSource) -> _Known | None:
        with self._lock:
            entries = tuple(self._known.values())
        return next((each for each in entries if each.avatar is avatar), None)

    def _entry(self, key: Hashable) -> _Known:
        with self._lock:
            known = self._known.setdefault(key, _Known())
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
            return known


def _seen(known: _Known, wanted: AvatarWanted, on_event: OnEvent) -> SeenAvatar:
    def opened(avatar: AvatarSource) -> None:
        known.avatar, known.asset, known.still_rows = avatar, None, []
        wanted.on_avatar(avatar)

    def say(event: Event) -> None:
        known.said.append(event)
        on_event(event)

    known.said.clear()
    return see_avatar(replace(wanted, on_avatar=opened), say)


def _key(wanted: AvatarWanted) -> Hashable | None:
    """Everything that the seen avatar depends on; None where a change could not be noticed."""
    settings = wanted.settings
    background = background_file(settings.avatar.background)
    states: list[FileState | None] = [file_state(wanted.path)]
    states += [] if background is None else [file_state(background)]
    if None in states:
        return None
    suffix = wanted.output.suffix.lower()
    shown = (settings.avatar, settings.output, settings.server.url)
    return (wanted.path, *states, suffix, *shown)
