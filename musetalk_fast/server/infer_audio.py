"""Recordings of any kind become the server's own, inside its store and its bounds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial

from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.single_flight import JobControl
from musetalk_fast.server.store import Draft
from musetalk_fast.types import SPEECH_RATE

_HEAD = 64
"""Bytes of a WAV before its samples, at most."""


async def decode_speech(draft: Draft, data: Callable[[], bytes], longest_secs: float) -> Speech:
    """Decode a recording into a WAV in a draft; stops within a second or two of sound if cancelled.

    Args:
        data: called in a thread: the recording's file.

    Raises:
        RefusalError: 413, it is longer than `longest_secs`; what `draft.cover` refuses.
        errors.AudioFormatError, errors.AudioLengthError: no sound, or damaged.
    """
    watch = JobControl()
    cover = _from_thread(draft.cover)
    work = asyncio.ensure_future(
        asyncio.to_thread(_decode, draft, data, cover, partial(_check, watch, longest_secs))
    )
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        watch.abandoned.set()
        await asyncio.wait([work])  # its folder must not go while it writes
        if not work.cancelled():
            work.exception()  # seen
        raise


def _decode(
    draft: Draft,
    data: Callable[[], bytes],
    cover: Callable[[int], None],
    check: Callable[[float], None],
) -> Speech:
    sound = draft.folder / "sound"
    packed = data()
    size = len(packed) + _HEAD
    cover(size)
    sound.write_bytes(packed)  # not whole or not at all: only we read it, and the draft goes
    del packed

    def on_block(secs: float) -> None:
        check(secs)
        cover(size + 2 * math.ceil(secs * SPEECH_RATE))

    return load_speech(sound, draft.folder, on_block)


def _check(watch: JobControl, longest_secs: float, secs: float) -> None:
    watch.check()
    if secs > longest_secs:
        raise RefusalError(
            *(413, "MTF-REQUEST-SIZE", f"the recording is longer than {longest_secs:g} s"),
            "send it in parts, or use /v1/frames",
        )


def _from_thread(call: Callable[[int], None]) -> Callable[[int], None]:
    """A function of the event loop as one of other threads."""
    loop = asyncio.get_running_loop()

    async def in_loop(value: int) -> None:
        call(value)

    return lambda value: asyncio.run_coroutine_threadsafe(in_loop(value), loop).result()
