"""What is measured: a picture, a face, crops and an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from musetalk_fast.config import OutputSettings, Settings
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.background import DEFAULT_BACKGROUND, load_background
from musetalk_fast.media.face import FaceFinder, find_face
from musetalk_fast.media.frame_size import output_size
from musetalk_fast.media.image import Still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.planning.avatar_opening import open_wanted, wanted_resolution
from musetalk_fast.planning.concurrency import Concurrency, choose_concurrency, processors
from musetalk_fast.planning.early_face_check import picture_with_face
from musetalk_fast.planning.source_frames import Showing, default_fps, source_runs
from musetalk_fast.rendering.face_placement import placed
from musetalk_fast.types import (
    CROP_SIZE,
    Box,
    Container,
    Crop,
    CropEncoding,
    Face,
    Picture,
    SourceRun,
    StillRowsMode,
)
from musetalk_fast.video.band_segment import BandSegmentEncoder, StillBand
from musetalk_fast.video.codec_table import find_codec
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.still_rows import choose_band
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.messages import Frame

_PLACE = Path("bench")
SIZE = (1920, 1080)
SIDE = 430
"""Pixels of the box where no avatar was given."""

_LONG = 1000
"""Segments of a long render: it has as many encoders as suit the machine."""

CROPS = 16
"""Different ones, so that an encoder has something to do."""
MAX_FRAMES = 250
"""That are made at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """A portrait that speaks, without a server.

    Attributes:
        sources: which source frame each frame shows; no more frames than these are made.
        planned: the encoder as a plan has it.
        band: what is encoded with every frame, if that is not the full picture.
    """

    avatar: AvatarSource
    face: Face
    crops: tuple[Crop, ...]
    fps: Fraction
    sources: tuple[int, ...]
    planned: EncoderSettings
    band: StillBand | None

    @property
    def encoder(self) -> EncoderSettings:
        """The encoder of full pictures, with the settings that are encoded with."""
        return self.planned if self.band is None else self.band.choice.encoder

    def frame(self, number: int, encoding: CropEncoding) -> Frame:
        """One of the crops, as a decoder of messages gives it."""
        rows = window(self.face)
        data = encode_crop(self.crops[number % CROPS], encoding, rows)
        source = self.sources[number]
        return Frame(index=number, source=source, encoding=encoding, data=data, rows=rows)

    @property
    def moves(self) -> bool:
        """Whether the avatar does."""
        return self.avatar.rate is not None

    def coding(self) -> tuple[StillCompositor, BandSegmentEncoder | None]:
        """What makes a still's frames, and what encodes them if they are only a band."""
        if self.band is not None:
            compositor = self.band.compositor()
            return compositor, self.band.encoder(compositor, 0)
        planes = _planes(self.avatar, self.encoder)
        return StillCompositor(planes, self.face, self.fps, self.avatar.colour), None

    @property
    def words(self) -> str:
        """`1920x1080, box 430x430, raw crops, 143 of 256 rows; ...`."""
        size, box = f"{self.avatar.width}x{self.avatar.height}", self.face.box
        size += f" moving, {float(self.fps):g} frames a second" if self.moves else ""
        rows = window(self.face).count
        text = f"{size}, box {box.width}x{box.height}, raw crops, {rows} of 256 rows"
        if self.band is None:
            return text
        layout = self.band.choice.layout
        return f"{text}; of a frame {layout.rows} of {layout.total_rows} macroblock rows encoded"


def make_workload(avatar: Path | None, settings: Settings) -> Workload:
    """A workload from an avatar, or a synthetic one.

    Raises:
        errors.InputError: the avatar cannot be used.
        errors.EncoderError: the encoder does not open here.
    """
    output = _with_container(settings.output)
    avatar_source: AvatarSource
    if avatar is None:
        width, height = output_size(SIZE, wanted_resolution(output, _PLACE))
        avatar_source = StillSource(Still(Path("bench"), _smooth(height, width, 1), "", ()))
        side = min(SIDE, width, height)
        face = _face(Box((width - side) // 2, (height - side) // 2, side, side), width, height)
    else:
        background = load_background(settings.avatar.background or DEFAULT_BACKGROUND)
        avatar_source = open_wanted(avatar, _PLACE, output, background)
        face = _own_face(avatar_source, settings)
    closed = _smooth(CROP_SIZE, CROP_SIZE, 2)
    crops = tuple(_speaking(closed, abs(2 * turn / CROPS - 1)) for turn in range(CROPS))
    size, alpha = (avatar_source.width, avatar_source.height), has_alpha(avatar_source.pix_fmt)
    fps = Fraction(settings.output.fps or default_fps(avatar_source))
    encoder = resolve(output, _PLACE, *size, fps, avatar_source.colour, alpha=alpha)
    # As it works in a long render.
    encoder = replace(encoder, threads=concurrency(encoder).threads)
    band = _band(settings, avatar_source, face, encoder, fps)
    sources = _sources(avatar_source, Showing(fps=fps))
    return Workload(avatar_source, face, crops, fps, sources, encoder, band)


def _own_face(avatar: AvatarSource, settings: Settings) -> Face:
    """The one that the early look at an avatar finds, where the frames have it."""
    finder = FaceFinder()
    picture = picture_with_face(avatar, finder)
    box = find_face(picture, settings.avatar.options(), finder).box
    face = _face(box, picture.shape[1], picture.shape[0])
    return face if avatar.placement is None else placed(face, avatar.placement)


def _sources(avatar: AvatarSource, showing: Showing) -> tuple[int, ...]:
    """Which source frame each frame shows."""
    runs = source_runs(avatar, MAX_FRAMES, showing)
    return tuple(run.first + run.step * place for run in runs for place in range(run.count))


def _planes(avatar: AvatarSource, encoder: EncoderSettings) -> Planes:
    return next(avatar.planes(SourceRun(0, 0, 1), LAYOUTS[encoder.pix_fmt]))


def _band(
    settings: Settings, avatar: AvatarSource, face: Face, encoder: EncoderSettings, fps: Fraction
) -> StillBand | None:
    """As a render chooses it."""
    if avatar.rate is not None:
        return None
    choice = choose_band(encoder, face, avatar.width, avatar.height)
    if choice is None or settings.output.still_rows is StillRowsMode.FULL:
        return None
    try:
        return StillBand.encode(choice, _planes(avatar, encoder), face, fps, avatar.colour)
    except UnsupportedStreamError:
        return None


def _with_container(settings: OutputSettings) -> OutputSettings:
    """With a container that takes the encoder."""
    name = settings.codec
    codec = find_codec(name) if name else None
    if name is not None and codec is None:
        raise EncoderError(f"no encoder of this name is known: {name!r}", where=name)
    takers = (known for known in CONTAINERS.values() if codec and codec.family in known.families)
    container = next(takers, CONTAINERS[settings.format or Container.MP4])
    return replace(settings, format=container.name)


def concurrency(encoder: EncoderSettings) -> Concurrency:
    """As many encoders and threads as a long render has."""
    return choose_concurrency(_LONG, processors(), in_software=encoder.in_software)


def _face(box: Box, width: int, height: int) -> Face:
    """A mask as soft and as large as a jaw's, in the lower half of the box."""
    left, right = max(0, box.x), min(width, box.x + box.width)
    top, bottom = max(0, box.y + box.height // 2), min(height, box.y + box.height)
    down, across = np.mgrid[top:bottom, left:right]
    beside = (across - box.x - box.width / 2) / (0.37 * box.width)
    below = (down - box.y - box.height / 2) / (0.5 * box.height)
    mask = np.clip((1 - beside**2 - below**2) * 1024, 0, 255).astype(np.uint8)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    mask = np.ascontiguousarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    place = Box(left + int(columns[0]), top + int(rows[0]), mask.shape[1], mask.shape[0])
    return Face(0, box, place, mask)


def _smooth(height: int, width: int, seed: int) -> Picture:
    """A picture as soft as skin and studio walls: noise in blocks, scaled up."""
    coarse = np.random.default_rng(seed).integers(70, 190, (height // 32 + 2, width // 32 + 2, 3))
    frame = av.VideoFrame.from_ndarray(coarse.astype(np.uint8), format="rgb24")
    scaled = frame.reformat(width=width, height=height, interpolation="BICUBIC")
    return np.ascontiguousarray(scaled.to_ndarray())


def _speaking(closed: Crop, opened: float) -> Crop:
    """The crop with a dark mouth, open from 0 to 1."""
    down, across = np.mgrid[:CROP_SIZE, :CROP_SIZE] / CROP_SIZE
    inside = ((across - 0.5) / 0.18) ** 2 + ((down - 0.75) / (0.02 + 0.08 * opened)) ** 2 < 1
    crop = closed.copy()
    crop[inside] //= 4
    return crop
