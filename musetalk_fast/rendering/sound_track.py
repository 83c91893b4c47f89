"""The sound of a plan's video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from musetalk_fast.media.audio_decoder import AudioDecoder, until
from musetalk_fast.media.avatar_sound import avatar_frames
from musetalk_fast.media.copied_sound import CopiedSound
from musetalk_fast.media.sound_mix import mixed
from musetalk_fast.planning import Plan
from musetalk_fast.rendering.planned_input import PlannedInput
from musetalk_fast.types import Sound
from musetalk_fast.video.containers import SOUND_ENCODERS
from musetalk_fast.video.output_sound import CopiedTrack, EncodedTrack, SoundTrack

if TYPE_CHECKING:
    import av

_T = TypeVar("_T")
_FINE = 24


@contextmanager
def sound_track(plan: Plan, inputs: Iterable[PlannedInput]) -> Iterator[SoundTrack | None]:
    """The recording's packets, or as much of it, encoded, as the video is long; None: no sound.

    An error comes at its end if an input was replaced meanwhile.

    Raises:
        errors.InputError: the recording cannot be opened.
    """
    if plan.sound is Sound.NONE:
        yield None
    elif plan.sound is Sound.COPY:
        copied_from = (
            (plan.avatar, None) if plan.audio_from_avatar else (plan.audio, str(plan.track))
        )
        with CopiedSound(*copied_from) as copied:
            yield CopiedTrack(copied.stream, _checked(copied.packets(), inputs))
    else:
        with AudioDecoder(plan.audio, plan.excerpt) as decoder:
            frames = _checked(_decoded(plan, decoder), inputs)
            bitrate = None if plan.sound_bitrate is None else 1000 * plan.sound_bitrate
            yield EncodedTrack(frames, SOUND_ENCODERS[plan.sound], bitrate, _bits(plan, decoder))


def _decoded(plan: Plan, decoder: AudioDecoder) -> Iterator[av.AudioFrame]:
    """What is heard, no longer than the video is."""
    secs = plan.frames / plan.fps
    frames = avatar_frames(plan.avatar) if plan.audio_from_avatar else decoder.frames()
    if plan.mix_background is not None:
        frames = mixed(frames, plan.mix_background, plan.background_volume, secs)
    return until(frames, secs)


def _bits(plan: Plan, decoder: AudioDecoder) -> int:
    """Of a sample; those of a mix are as fine as any encoder keeps."""
    if plan.audio_from_avatar or plan.mix_background is not None:
        return _FINE
    return decoder.source.track.codec_context.format.bytes * 8


def _checked(items: Iterable[_T], inputs: Iterable[PlannedInput]) -> Iterator[_T]:
    yield from items
    for each in inputs:
        each.check()
