"""Opens and checks both inputs of a render."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from musetalk_fast.config import OutputSettings, ProcessingSettings, Settings
from musetalk_fast.config.home_paths import expanded
from musetalk_fast.events import OnEvent, ProgressEvent, WarningEvent
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.avatar_sound import AvatarSound, look_at_sound
from musetalk_fast.media.background import DEFAULT_BACKGROUND, load_background
from musetalk_fast.media.excerpt import Excerpt
from musetalk_fast.media.image import Background
from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.media.sound_mix import check_background
from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.planning.avatar_opening import open_wanted
from musetalk_fast.planning.early_face_check import look_for_face
from musetalk_fast.planning.source_match import matched
from musetalk_fast.types import Box
from musetalk_fast.video.codec_choice import demand_alpha, keeps_alpha
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.encoder_selection import check_choices_for


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The avatar and the recording, checked and normalised.

    Attributes:
        background: behind the avatar's transparent parts.
        mouth: where our own look at the avatar found it: the lower half of MuseTalk's box; None
            if nobody looked.
        mouth_is_open: whether it is, as far as somebody looked.
        avatar_sound: the avatar's own sound, where that is the video's.
        mix_background, mix_background_sha256: what is mixed beneath the sound, and its hash.
        output: settings of the output as the avatar completes them; None: as they were given.
    """

    avatar: AvatarSource
    speech: Speech
    background: Background
    mouth: Box | None = None
    mouth_is_open: bool = False
    avatar_sound: AvatarSound | None = None
    mix_background: Path | None = None
    mix_background_sha256: str | None = None
    output: OutputSettings | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeenAvatar:
    """An avatar as one output wants it, and its face; attributes as those of `Inputs`."""

    avatar: AvatarSource
    background: Background
    mouth: Box | None = None
    mouth_is_open: bool = False


@dataclass(frozen=True, slots=True)
class AvatarWanted:
    """What is wanted of an avatar.

    Attributes:
        output: says whether transparent parts can stay, and how large a video is played.
        on_avatar: given the avatar as soon as it is open.
        check: called with each picture that is read; may raise to stop.
    """

    path: Path
    output: Path
    settings: Settings
    on_avatar: Callable[[AvatarSource], object]
    check: Callable[[], None]


def see_avatar(wanted: AvatarWanted, on_event: OnEvent) -> SeenAvatar:
    """Open an avatar and look for a face.

    Args:
        on_event: called with warnings and faces.

    Raises:
        errors.InputError: the leaf that says what cannot work.
        errors.OutputError: an output that cannot have the background that was asked for.
    """
    settings = wanted.settings
    background = _background(settings, wanted.output)

    def on_picture(done: int, total: int) -> None:
        wanted.check()
        picture_progress(on_event, done, total)

    avatar = open_wanted(wanted.path, wanted.output, settings.output, background, on_picture)
    wanted.on_avatar(avatar)
    for note in _avatar_notes(avatar, settings):
        on_event(note)
    if not settings.avatar.face_check:
        return SeenAvatar(avatar, background)
    return SeenAvatar(avatar, background, *look_for_face(avatar, settings, on_event))


def load_inputs(
    avatar: Path,
    audio: Path,
    output: Path,
    settings: Settings,
    workdir: Path,
    on_event: OnEvent,
    on_avatar: Callable[[AvatarSource], object] = lambda _avatar: None,
    on_block: Callable[[float], None] = lambda _secs: None,
    see: Callable[[AvatarWanted, OnEvent], SeenAvatar] = see_avatar,
) -> Inputs:
    """Read, check and normalise both inputs; look for a face.

    Args:
        output: as `AvatarWanted` has it.
        workdir: folder for the 16 kHz recording.
        on_event: called with progress and warnings.
        on_avatar: as `AvatarWanted` has it.
        on_block: as `load_speech` has it, and with each picture that is read; may raise to stop.
        see: opens the avatar, or knows it already.

    Raises:
        errors.InputError: the leaf that says what cannot work.
        errors.OutputError: an output that cannot have the background that was asked for.
    """
    on_event(ProgressEvent(stage="load", done=0, total=2))
    settings = _completed(settings, avatar, output, on_event)
    wanted = AvatarWanted(avatar, output, settings, on_avatar, lambda: on_block(0.0))
    seen = see(wanted, on_event)
    on_event(ProgressEvent(stage="load", done=1, total=2))
    speech = load_speech(audio, workdir, on_block, _excerpt(settings.processing))
    if settings.processing.strict_audio:
        speech.check_whole()
    for note in speech.notes:
        on_event(note)
    on_event(ProgressEvent(stage="load", done=2, total=2))
    sounds = _other_sounds(avatar, settings.output, on_block)
    sounds["output"] = settings.output
    return Inputs(seen.avatar, speech, seen.background, seen.mouth, seen.mouth_is_open, **sounds)


def _other_sounds(
    avatar: Path, asked: OutputSettings, on_block: Callable[[float], None]
) -> dict[str, Any]:
    """Whose sound the video has beside the recording's, of `Inputs`."""
    found: dict[str, Any] = {}
    if asked.sound == "none":
        return found
    if asked.audio_from_avatar:
        found["avatar_sound"] = look_at_sound(avatar, on_block)
    if asked.mix_background is not None:
        path = expanded(asked.mix_background)
        check_background(path)
        found |= {"mix_background": path, "mix_background_sha256": file_sha256(path)}
    return found


def _excerpt(asked: ProcessingSettings) -> Excerpt:
    secs = None if asked.duration is None else Fraction(asked.duration)
    return Excerpt(asked.audio_track, Fraction(asked.start), secs)


def _completed(settings: Settings, avatar: Path, output: Path, on_event: OnEvent) -> Settings:
    """The settings, with what the avatar says of its encoding; checked before it is opened."""
    completed, unmatched = matched(settings.output, avatar, output)
    if unmatched is not None:
        on_event(WarningEvent(message=unmatched))
    check_choices_for(completed, output)
    return replace(settings, output=completed)


def picture_progress(on_event: OnEvent, done: int, total: int) -> None:
    """Say how far the pictures of an animation or a sequence are, about a hundred times."""
    if done % max(1, total // 100) == 0 or done == total:
        on_event(ProgressEvent(stage="convert", done=done, total=total))


def _background(settings: Settings, output: Path) -> Background:
    """What was asked for; else transparent where avatar and output can be."""
    asked = settings.avatar.background
    if asked is None:
        return None if keeps_alpha(settings.output, output) else DEFAULT_BACKGROUND
    if asked == TRANSPARENT:
        demand_alpha(settings.output, output)
    return load_background(asked)


def _avatar_notes(avatar: AvatarSource, settings: Settings) -> Iterator[WarningEvent]:
    """What there is to say of the avatar as it was opened."""
    if settings.avatar.background == TRANSPARENT and not has_alpha(avatar.pix_fmt):
        yield WarningEvent(
            message=f"{avatar.path.name} has no transparent parts: the video has none"
        )
    for note in avatar.notes:
        yield WarningEvent(message=note)
    if avatar.size_note is not None:
        yield WarningEvent(message=avatar.size_note, token="MTF-SIZE")
