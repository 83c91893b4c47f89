"""How the sound of a video is made: copied where that is the same, else encoded once."""

from __future__ import annotations

from fractions import Fraction

from musetalk_fast.config import OutputSettings, Settings
from musetalk_fast.errors import SoundFormatError, UsageError
from musetalk_fast.events import OnEvent, WarningEvent
from musetalk_fast.media.sound_copy_facts import TrackFacts
from musetalk_fast.planning.inputs import Inputs
from musetalk_fast.types import Sound
from musetalk_fast.video.containers import SOUND_ENCODERS, ContainerFormat

_FIXED = ("copy", "flac", "none")
"""Whose bitrate nobody chooses."""

_MOST_OPUS = 256
"""Kbit/s a channel that libopus takes."""

_UNHEARD = Fraction(1, 10)
"""Seconds of sound that may be missing or too many at the end of a file's pictures."""

_FEW_PLAY = ("alac", "ac3", "eac3")
"""Sound that containers take, but most browsers do not play."""


def planned_sound(
    inputs: Inputs,
    container: ContainerFormat,
    settings: Settings,
    secs: Fraction,
    on_event: OnEvent,
) -> Sound:
    """How the sound of a video of so many seconds is made.

    Args:
        on_event: called with a warning where players will not play it, or it ends early.

    Raises:
        errors.UsageError: sounds that do not go together.
        errors.SoundFormatError: what was asked for is not possible; says why.
    """
    _check_sources(settings)
    own = inputs.avatar_sound
    if not container.sounds and settings.output.sound == "auto":
        message = f"{container.name} has no sound: the speech is seen, and not heard"
        on_event(WarningEvent(message=message, token="MTF-NO-SOUND"))
        return Sound.NONE
    track = inputs.speech.track if own is None else own.track
    is_mixed = inputs.mix_background is not None
    obstacle = "a background is mixed in" if is_mixed else _obstacle(inputs, secs)
    try:
        sound = choose_sound(settings.output, container, track, obstacle)
    except SoundFormatError as error:
        error.where = str(inputs.speech.path if own is None else inputs.avatar.path)
        raise
    if note := copy_note(sound, track, container):
        on_event(WarningEvent(message=note, token="MTF-SOUND-PLAYERS"))
    if own is not None and own.secs + float(own.delay) < secs - _UNHEARD:
        message = f"the avatar's own sound ends at {own.secs:.2f} s, before the video does"
        on_event(WarningEvent(message=message, token="MTF-SOUND-END"))
    return sound


def _obstacle(inputs: Inputs, secs: Fraction) -> str | None:
    """What keeps the packets of the sound from being copied, beside themselves."""
    own = inputs.avatar_sound
    if own is not None and own.delay:
        return "it does not begin with the avatar's pictures"
    length = inputs.speech.duration if own is None else own.secs
    # The last packet of a file may be padded.
    return "the video ends before it" if length > secs + (_UNHEARD if own else 0) else None


def choose_sound(
    asked: OutputSettings, container: ContainerFormat, track: TrackFacts, obstacle: str | None
) -> Sound:
    """Decide.

    Args:
        track: whose sound it is.
        obstacle: what else keeps its packets from being copied; None: nothing.

    Raises:
        errors.UsageError: a bitrate for sound that has none to choose.
        errors.SoundFormatError: what was asked for is not possible; says why.
    """
    _check_bitrate(asked, track)
    if asked.sound == "none":
        return Sound.NONE
    if not container.sounds:
        raise SoundFormatError(f"{container.name} has no sound", hint="choose another --format")
    if asked.sound in ("auto", "copy"):
        why = obstacle or copy_obstacle(track, container)
        if asked.sound == "copy" and why:
            raise SoundFormatError(
                f"the sound cannot be copied: {why}",
                hint=f"leave out --sound copy, or choose one of {', '.join(encodable(container))}",
            )
        if why is None and asked.sound_bitrate is None:
            return Sound.COPY
        return encodable(container)[0]
    if asked.sound not in container.sounds:
        raise SoundFormatError(
            f"{container.name} takes no {asked.sound} sound",
            hint=f"choose one of {', '.join(encodable(container))}, or another --format",
        )
    return Sound(asked.sound)


def copy_obstacle(track: TrackFacts, container: ContainerFormat) -> str | None:
    """Why the packets of a track cannot be copied into a container; None: they can."""
    if track.flaw is not None:
        return track.flaw
    if track.codec not in container.sounds:
        return f"it is {track.codec}, and {container.name} takes {', '.join(container.sounds)}"
    if container.needs_delay and not track.has_delay:
        return f"its file does not say how its first packets begin, as {container.name} needs it"
    return None


def encodable(container: ContainerFormat) -> list[Sound]:
    """What sound can be encoded as for a container; the first is what it usually is."""
    return [Sound(codec) for codec in container.sounds if codec in list(SOUND_ENCODERS)]


def copy_note(sound: Sound, track: TrackFacts, container: ContainerFormat) -> str | None:
    """What there is to say of sound that is copied."""
    if sound is not Sound.COPY or track.codec not in _FEW_PLAY:
        return None
    return (
        f"the sound is copied as it is, as {track.codec}, which most browsers do not play "
        f"(--sound {encodable(container)[0]} encodes it)"
    )


def _check_sources(settings: Settings) -> None:
    """Refuse sounds that do not go together."""
    asked = settings.output
    if asked.sound == "none" and (asked.audio_from_avatar or asked.mix_background):
        flag = "--audio-from-avatar" if asked.audio_from_avatar else "--mix-background"
        raise UsageError(f"--sound none leaves nothing for {flag}", hint="leave out one of them")
    if asked.audio_from_avatar and settings.avatar.speed_to_fit:
        raise UsageError(
            "--speed-to-fit takes the avatar's pictures out of step with --audio-from-avatar",
            hint="leave out one of them",
        )


def _check_bitrate(asked: OutputSettings, track: TrackFacts) -> None:
    if asked.sound_bitrate is None:
        return
    if asked.sound in _FIXED:
        raise UsageError(
            f"--sound {asked.sound} has no bitrate to choose", hint="leave out --sound-bitrate"
        )
    most = _MOST_OPUS * track.channels
    if asked.sound == "opus" and asked.sound_bitrate > most:
        raise UsageError(
            f"--sound-bitrate {asked.sound_bitrate} is more than opus takes, {most} kbit/s",
            hint="choose less, or --sound flac",
        )
