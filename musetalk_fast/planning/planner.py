"""Makes a plan from inputs and settings."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from musetalk_fast.config import Settings
from musetalk_fast.config.home_paths import expanded
from musetalk_fast.events import OnEvent, WarningEvent
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.background import DEFAULT_BACKGROUND, background_file
from musetalk_fast.media.image import Still
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.planning.concurrency import choose_concurrency, processors
from musetalk_fast.planning.inputs import Inputs, load_inputs
from musetalk_fast.planning.plan import Plan, cut
from musetalk_fast.planning.sound_choice import planned_sound
from musetalk_fast.planning.source_frames import Showing, count_frames, default_fps, source_runs
from musetalk_fast.storage import temporary_folder
from musetalk_fast.types import Silence
from musetalk_fast.video.codec_levels import level_warning, profile_warning
from musetalk_fast.video.containers import CONTAINERS, check_pictures
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.output_path import check_output


def plan_render(
    inputs: Inputs, output: Path, settings: Settings, on_event: OnEvent, *, beside: int = 1
) -> Plan:
    """Decide everything.

    Args:
        output: as it was named.
        on_event: called with a warning where the video will not play everywhere, or has no sound.
        beside: renders that share the processors, this one included.

    Raises:
        errors.OutputError: the encoder does not open, or not for this container; or there is more
            than this container holds.
    """
    avatar, speech = inputs.avatar, inputs.speech
    settings = replace(settings, output=inputs.output or settings.output)
    fps = Fraction(settings.output.fps or default_fps(avatar))
    extend, fit = settings.avatar.extend, settings.avatar.speed_to_fit
    showing = Showing(fps=fps, extend=extend, fit=speech.duration if fit else None)
    frames = count_frames(avatar, speech.duration, showing)
    segments = cut(frames, fps, settings.processing.segment_secs)
    encoder = _encoder(avatar, output, settings, fps, on_event)
    container = CONTAINERS[encoder.format]
    check_pictures(container, avatar.width, avatar.height, frames, fps)
    concurrency = choose_concurrency(
        beside * len(segments), processors(), in_software=encoder.in_software
    )
    return Plan(
        **_input_fields(inputs),
        output=output,
        fps=fps,
        frames=frames,
        bit_depth=encoder.bit_depth,
        sources=source_runs(avatar, frames, showing),
        extend=extend,
        speed_to_fit=fit,
        segments=segments,
        encoder=replace(encoder, threads=concurrency.threads),
        **_background_fields(inputs),
        sound=planned_sound(inputs, container, settings, frames / fps, on_event),
        silence=_silence(inputs, settings.avatar.silence, on_event),
        match_colour=settings.output.match_colour,
        **_settings_fields(settings),
        frame_names=output.name if container.is_sequence else None,
    )


def _input_fields(inputs: Inputs) -> dict[str, Any]:
    """Those of the plan that the files decide."""
    avatar, speech = inputs.avatar, inputs.speech
    return {
        "avatar": avatar.path,
        "avatar_sha256": avatar.sha256,
        "audio": speech.path,
        "audio_sha256": speech.sha256,
        "track": speech.track.number,
        "start": speech.excerpt.start,
        "duration": speech.duration,
        "width": avatar.width,
        "height": avatar.height,
        "colour": avatar.colour,
        "mix_background": inputs.mix_background,
        "mix_background_sha256": inputs.mix_background_sha256,
    }


def _settings_fields(settings: Settings) -> dict[str, Any]:
    """Those of the plan that are as they were asked for."""
    output = settings.output
    return {
        "fit": output.fit,
        "no_face": settings.avatar.no_face,
        "options": settings.avatar.options(),
        "frame_encoding": settings.processing.frame_encoding,
        "still_rows": output.still_rows,
        "scaling": output.scaling,
        "match_source": output.match_source,
        "sound_bitrate": output.sound_bitrate,
        "audio_from_avatar": output.audio_from_avatar,
        "background_volume": output.background_volume,
        "overwrite": output.overwrite,
    }


def _encoder(
    avatar: AvatarSource, output: Path, settings: Settings, fps: Fraction, on_event: OnEvent
) -> EncoderSettings:
    """The encoder for such an avatar; what its videos lose or cannot do is a warning."""
    size, alpha = (avatar.width, avatar.height), has_alpha(avatar.pix_fmt)
    look = *size, fps, avatar.colour
    depth, source = avatar.bit_depth, avatar.pix_fmt
    encoder = resolve(settings.output, output, *look, alpha=alpha, depth=depth, source=source)
    if avatar.tone_curve is not None:
        encoder = replace(encoder, mastering=avatar.tone_curve.mastering)
    for note in (level_warning(encoder, *size, fps), profile_warning(encoder)):
        if note is not None:
            on_event(WarningEvent(message=note, token="MTF-LEVEL"))
    if note := avatar.conversion_note(LAYOUTS[encoder.pix_fmt]):
        on_event(WarningEvent(message=note))
    return encoder


def _background_fields(inputs: Inputs) -> dict[str, Any]:
    """Of the plan. An avatar without transparent parts has the default one."""
    background = inputs.background
    if isinstance(background, Still):
        fields = {"background_image": background.path, "background_sha256": background.sha256}
        return {"background": None, **fields}
    if background in (None, TRANSPARENT):
        background = TRANSPARENT if has_alpha(inputs.avatar.pix_fmt) else DEFAULT_BACKGROUND
    return {"background": background}


def make_plan(
    avatar: Path | str,
    audio: Path | str,
    output: Path | str,
    settings: Settings | None = None,
    *,
    on_event: OnEvent = lambda _event: None,
) -> Plan:
    """The plan of a render, without a server and without writing anything.

    Raises:
        errors.InputError, errors.OutputError: what would stop the render.

    Examples:
        >>> from musetalk_fast import plan
        >>> planned = plan("portrait.png", "speech.wav", "out.mp4")
        >>> planned.frames, planned.width, planned.fps
        (75, 512, Fraction(25, 1))
    """
    settings = settings or Settings()
    avatar, audio = Path(avatar), Path(audio)
    output = check_place(avatar, audio, Path(output), settings)
    with temporary_folder() as workdir:
        inputs = load_inputs(avatar, audio, output, settings, workdir, on_event)
        return plan_render(inputs, output, settings, on_event)


def check_place(avatar: Path, audio: Path, output: Path, settings: Settings) -> Path:
    """Where the video will be written; see `video.output.check_output`.

    Raises:
        errors.OutputError: it cannot be.
        errors.UsageError: a background that means nothing.
    """
    asked, inputs = settings.output, (avatar, audio, *other_files(settings))
    return check_output(output, asked.format, overwrite=asked.overwrite, inputs=inputs)


def other_files(settings: Settings) -> tuple[Path, ...]:
    """The files that settings name and a video is made of, in the order of `Plan.inputs`.

    Raises:
        errors.UsageError: a background that means nothing.
    """
    picture, sound = background_file(settings.avatar.background), settings.output.mix_background
    found = () if picture is None else (picture,)
    return found if sound is None else (*found, expanded(sound))


def _silence(inputs: Inputs, asked: Silence, on_event: OnEvent) -> Silence:
    if asked is Silence.HOLD and inputs.mouth_is_open:
        message = (
            "the avatar's own mouth is open: pauses show the model's instead of --silence hold"
        )
        on_event(WarningEvent(message=message))
        return Silence.MODEL
    return asked
