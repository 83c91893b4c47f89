"""Recordings of any kind become the server's own, inside its store and its bounds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial

from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.store import Draft
from musetalk_fast.threads import CancelFlag, call_in_loop, run_in_thread
from musetalk_fast.types import SPEECH_RATE

_HEAD = 64
"""Bytes of a WAV before its samples, at most."""


async def decode_speech(
    draft: Draft, data: Callable[[], memoryview], longest_secs: float
) -> Speech:
    """Decode a recording into a WAV in a draft; stops within a second or two of sound if cancelled.

    Args:
        data: called in a thread: the recording's file.

    Raises:
        RefusalError: 413, it is longer than `longest_secs`; what `draft.cover` refuses.
        errors.AudioFormatError, errors.AudioLengthError: no sound, or damaged.
    """
    flag = CancelFlag()
    loop = asyncio.get_running_loop()

    def cover(length: int) -> None:
        call_in_loop(loop, partial(draft.cover, length))

    # Cancelled or not, its folder must not go while it writes.
    return await run_in_thread(
        partial(_decode, draft, data, cover, partial(_check, flag, longest_secs)), flag.set
    )


def _decode(
    draft: Draft,
    data: Callable[[], memoryview],
    cover: Callable[[int], None],
    check: Callable[[float], None],
) -> Speech:
    sound = draft.folder / "sound"
    packed = data()
    size = len(packed) + _HEAD
    cover(size)
    sound.write_bytes(packed)  # not atomic: only we read it, and the draft is removed
    del packed

    def on_block(secs: float) -> None:
        check(secs)
        cover(size + 2 * math.ceil(secs * SPEECH_RATE))

    return load_speech(sound, draft.folder, on_block)


def _check(flag: CancelFlag, longest_secs: float, secs: float) -> None:
    flag.check()
    if secs > longest_secs:
        raise RefusalError(
            *(413, "MTF-REQUEST-SIZE", f"the recording is longer than {longest_secs:g} s"),
            "send it in parts, or use /v1/frames",
        )
