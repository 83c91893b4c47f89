"""The sound of a video avatar itself, in step with its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from musetalk_fast.errors import AudioFormatError
from musetalk_fast.media.audio_decoder import MAX_SECS, AudioDecoder, length_error
from musetalk_fast.media.audio_file import AudioFile
from musetalk_fast.media.excerpt import Excerpt
from musetalk_fast.media.sound_copy_facts import TrackFacts, facts_of

if TYPE_CHECKING:
    import av

_IN_STEP = Fraction(1, 500)
"""Seconds by which sound and pictures of a file may begin apart: nobody notices, and Matroska's
milliseconds do it."""


_BLOCK = 1 << 15
"""Samples of silence at once."""


@dataclass(frozen=True, slots=True)
class AvatarSound:
    """A track that was decoded.

    Attributes:
        track: of the file.
        delay: seconds by which its sound begins after its pictures; negative: before them.
        secs: how long it is.
    """

    track: TrackFacts
    delay: Fraction
    secs: float


def look_at_sound(path: Path, on_block: Callable[[float], None]) -> AvatarSound:
    """Decode an avatar's sound to its end.

    Args:
        on_block: called with the seconds so far; may raise to stop.

    Raises:
        errors.AudioFormatError: it has none that can be decoded.
        errors.InputError: as `AudioDecoder`.
    """
    if path.is_dir():
        raise AudioFormatError("pictures in a folder have no sound", where=str(path), hint=_HINT)
    try:
        with AudioDecoder(path) as reader:
            for _ in reader.blocks():
                on_block(reader.secs)
            return AvatarSound(facts_of(reader), _delay(reader.source), reader.secs)
    except AudioFormatError as error:
        error.hint = _HINT
        raise


def avatar_frames(path: Path) -> Iterator[av.AudioFrame]:
    """The sound from the first picture on, with silence before it where it begins later."""
    with AudioFile(path) as source:
        delay = _delay(source)
    excerpt = Excerpt(start=max(Fraction(0), -delay))
    with AudioDecoder(path, excerpt) as reader:
        frames = reader.frames()
        first = next(frames, None)
        if first is None:
            return
        yield from _silence(reader, delay)
        yield from chain([first], frames)


def _silence(reader: AudioDecoder, secs: Fraction) -> Iterator[av.AudioFrame]:
    if secs > MAX_SECS:
        raise length_error(
            f"its sound begins {float(secs):.0f} s after its pictures; the limit is {MAX_SECS}",
            reader.source.path,
        )
    left = round(secs * reader.rate)
    while left > 0:
        yield reader.sound.silence(min(left, _BLOCK))
        left -= _BLOCK


_HINT = "leave out --audio-from-avatar, or give a video with sound as the avatar"


def _delay(source: AudioFile) -> Fraction:
    pictures = next(iter(source.container.streams.video), None)
    begins = None if pictures is None else _begin(pictures)
    sounds = _begin(source.track)
    if begins is None or sounds is None or abs(sounds - begins) <= _IN_STEP:
        return Fraction(0)
    return sounds - begins


def _begin(stream: av.VideoStream | av.AudioStream) -> Fraction | None:
    if stream.start_time is None or stream.time_base is None:
        return None
    return stream.start_time * stream.time_base
