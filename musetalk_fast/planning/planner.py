"""Makes a plan from inputs and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musetalk_fast.config import BUILTIN, OutputSettings, Settings
from musetalk_fast.config.settings import kinds
from musetalk_fast.events import Event, FacePlace, FacesEvent, ProgressEvent, WarningEvent
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.background import DEFAULT_BACKGROUND, background_file, load_background
from musetalk_fast.media.image import Background, Still
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.media.speech import Speech, load_speech
from musetalk_fast.planning.avatar_opening import open_wanted
from musetalk_fast.planning.concurrency import choose_concurrency, processors
from musetalk_fast.planning.plan import Plan, cut
from musetalk_fast.planning.source_frames import Showing, count_frames, default_fps, source_runs
from musetalk_fast.storage import temporary_folder
from musetalk_fast.types import SOURCE_SIZE, Box, Fit, Picture, Silence
from musetalk_fast.video.encoder_selection import demand_alpha, has_alpha, keeps_alpha, resolve
from musetalk_fast.video.levels import level_warning
from musetalk_fast.video.output_path import check_output

if TYPE_CHECKING:
    from musetalk_fast.errors import InputError
    from musetalk_fast.media.face import FaceFinder, FoundFace

_LOOK_SECS = 0.5
_MAX_LOOKS = 6
"""Of a moving avatar: as many pictures, so far apart, are searched for the first face."""

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The avatar and the recording, checked and normalised.

    Attributes:
        background: behind the avatar's transparent parts.
        mouth: where our own look at the avatar found it: the lower half of MuseTalk's box; None
            if nobody looked.
        mouth_is_open: whether it is, as far as somebody looked.
    """

    avatar: AvatarSource
    speech: Speech
    background: Background
    mouth: Box | None = None
    mouth_is_open: bool = False


def load_inputs(
    avatar: Path,
    audio: Path,
    output: Path,
    settings: Settings,
    workdir: Path,
    on_event: OnEvent,
    on_avatar: Callable[[AvatarSource], object] = lambda _avatar: None,
    on_block: Callable[[float], None] = lambda _secs: None,
) -> Inputs:
    """Read, check and normalise both inputs; look for a face.

    Args:
        output: says whether transparent parts can stay, and how large a video is played.
        workdir: folder for the 16 kHz recording.
        on_event: called with progress and warnings.
        on_avatar: given the avatar as soon as it is open.
        on_block: as `load_speech` has it, and with each picture that is read; may raise to stop.

    Raises:
        errors.InputError: the leaf that says what cannot work.
        errors.OutputError: an output that cannot have the background that was asked for.
    """
    on_event(ProgressEvent(stage="load", done=0, total=2))
    background = _background(settings, output)
    avatar_source = open_wanted(avatar, output, settings.output, background, lambda: on_block(0.0))
    on_avatar(avatar_source)
    if settings.avatar.background == TRANSPARENT and not has_alpha(avatar_source.pix_fmt):
        on_event(
            WarningEvent(message=f"{avatar.name} has no transparent parts: the video has none")
        )
    _warn(avatar_source.notes, on_event)
    if avatar_source.size_note is not None:
        on_event(WarningEvent(message=avatar_source.size_note, token="MTF-SIZE"))
    mouth, is_open = None, False
    if settings.avatar.face_check:
        mouth, is_open = look_for_face(avatar_source, settings, on_event)
    on_event(ProgressEvent(stage="load", done=1, total=2))
    speech = load_speech(audio, workdir, on_block)
    if settings.processing.strict_audio:
        speech.check_whole()
    for note in speech.notes:
        on_event(note)
    on_event(ProgressEvent(stage="load", done=2, total=2))
    return Inputs(avatar_source, speech, background, mouth, is_open)


def _background(settings: Settings, output: Path) -> Background:
    """What was asked for; else transparent where avatar and output can be."""
    asked = settings.avatar.background
    if asked is None:
        return None if keeps_alpha(settings.output, output) else DEFAULT_BACKGROUND
    if asked == TRANSPARENT:
        demand_alpha(settings.output, output)
    return load_background(asked)


def plan_render(inputs: Inputs, output: Path, settings: Settings, on_event: OnEvent) -> Plan:
    """Decide everything.

    Args:
        on_event: called with a warning where the video will not play everywhere.

    Raises:
        errors.OutputError: the encoder does not open, or not for this container.
    """
    avatar, speech = inputs.avatar, inputs.speech
    fps = Fraction(settings.output.fps or default_fps(avatar))
    extend, fit = settings.avatar.extend, settings.avatar.speed_to_fit
    showing = Showing(fps=fps, extend=extend, fit=speech.duration if fit else None)
    frames = count_frames(avatar, speech.duration, showing)
    segments = cut(frames, fps, settings.processing.segment_secs)
    size, alpha = (avatar.width, avatar.height), has_alpha(avatar.pix_fmt)
    encoder = resolve(settings.output, output, *size, fps, avatar.colour, alpha=alpha)
    if note := level_warning(encoder, avatar.width, avatar.height, fps):
        on_event(WarningEvent(message=note, token="MTF-LEVEL"))
    if note := avatar.conversion_note(LAYOUTS[encoder.pix_fmt]):
        on_event(WarningEvent(message=note))
    concurrency = choose_concurrency(len(segments), processors(), in_software=encoder.in_software)
    return Plan(
        avatar=avatar.path,
        audio=speech.path,
        output=output,
        avatar_sha256=avatar.sha256,
        audio_sha256=speech.sha256,
        duration=speech.duration,
        fps=fps,
        frames=frames,
        width=avatar.width,
        height=avatar.height,
        fit=settings.output.fit,
        colour=avatar.colour,
        bit_depth=avatar.bit_depth,
        sources=source_runs(avatar, frames, showing),
        extend=extend,
        speed_to_fit=fit,
        no_face=settings.avatar.no_face,
        segments=segments,
        encoder=replace(encoder, threads=concurrency.threads),
        options=settings.avatar.options(),
        **_background_fields(inputs),
        frame_encoding=settings.processing.frame_encoding,
        still_rows=settings.output.still_rows,
        scaling=settings.output.scaling,
        silence=_silence(inputs, settings.avatar.silence, on_event),
        match_colour=settings.output.match_colour,
        sound=settings.output.sound == "auto",
        overwrite=settings.output.overwrite,
    )


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
    asked, background = settings.output, background_file(settings.avatar.background)
    inputs = (avatar, audio) if background is None else (avatar, audio, background)
    return check_output(output, asked.format, overwrite=asked.overwrite, inputs=inputs)


def _silence(inputs: Inputs, asked: Silence, on_event: OnEvent) -> Silence:
    if asked is Silence.HOLD and inputs.mouth_is_open:
        message = (
            "the avatar's own mouth is open: pauses show the model's instead of --silence hold"
        )
        on_event(WarningEvent(message=message))
        return Silence.MODEL
    return asked


def look_for_face(
    avatar_source: AvatarSource, settings: Settings, on_event: OnEvent
) -> tuple[Box, bool]:
    """Where the mouth of the chosen face is, and whether it is open.

    In the first of a few source frames that has a face.

    Raises:
        errors.InputError: the leaf that says what is wrong with the first source frame.
    """
    from musetalk_fast.errors import InputError
    from musetalk_fast.media.face import FaceFinder, face_notes, find_face

    finder, options = FaceFinder(), settings.avatar.options()
    picture = _picture_with_face(avatar_source, finder)
    try:
        found = find_face(picture, options, finder)
    except InputError as error:
        error.where = str(avatar_source.path)
        error.hint = _face_hint(error, settings)
        raise
    on_event(_faces_event(found))
    _warn(face_notes(picture, found, finder), on_event)
    x, y, width, height = found.box
    lower_half = Box(x, y + height // 2, width, height - height // 2)
    return lower_half, found.landmarks.mouth_is_open


def _picture_with_face(avatar_source: AvatarSource, finder: FaceFinder) -> Picture:
    """A still; of a moving avatar the first of a few source frames with a face, or the first."""
    if avatar_source.rate is None:
        return avatar_source.picture(0)
    every = max(1, round(avatar_source.rate * _LOOK_SECS))
    looks = range(0, avatar_source.frames, every)[:_MAX_LOOKS]
    pictures = (avatar_source.picture(source) for source in looks)
    seen = next((each for each in pictures if finder.find(each, all_sizes=False)), None)
    return avatar_source.picture(0) if seen is None else seen


def _faces_event(found: FoundFace) -> FacesEvent:
    selection = found.selection
    places = (FacePlace(**face.place._asdict()) for face in selection.faces)
    return FacesEvent(faces=tuple(places), chosen=selection.chosen, reason=selection.reason)


def _face_hint(error: InputError, settings: Settings) -> str | None:
    """What the user can do about a face, knowing what the picture went through."""
    from musetalk_fast.errors import NoFaceError

    hint = error.hint
    if hint != error.default_hint:
        return hint
    if changes := " ".join(_size_flags(settings.output)):
        hint = f"the picture was changed by {changes}: leave that out, or {hint}"
    if isinstance(error, NoFaceError) and set(settings.server.url or ()) - {BUILTIN}:
        # The built-in engine looks with the same eyes; others may see more.
        hint = f"{hint}, or let the server look for itself: --no-face-check"
    return hint


def _size_flags(output: OutputSettings) -> Iterator[str]:
    """What made a picture smaller, or cut it."""
    if output.resolution not in (None, SOURCE_SIZE):
        yield f"--resolution {kinds(OutputSettings)['resolution'].write(output.resolution)}"
    if output.max_side is not None:
        yield f"--max-side {output.max_side}"
    if output.fit is not Fit.PAD:
        yield f"--fit {output.fit}"


def _warn(notes: tuple[str, ...], on_event: OnEvent) -> None:
    for note in notes:
        on_event(WarningEvent(message=note))
