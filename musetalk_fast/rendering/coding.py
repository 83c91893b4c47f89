"""How a segment's frames are composed and encoded: all rows, or the band of those that move."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import av

from musetalk_fast.errors import NoFaceError
from musetalk_fast.events import StillRowsFigures
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.manifest import Manifest
from musetalk_fast.types import Box, Face, Scaling, StillRowsMode
from musetalk_fast.video.band_encoder import StillRows, encode_still_rows
from musetalk_fast.video.band_segment import BandCompositor, BandSegmentEncoder
from musetalk_fast.video.compositor import Compositor, StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.video.still_rows import BandChoice, choose_band


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """What makes a segment's part.

    Attributes:
        encoder: settings of the encoder of full pictures.
        band: encodes what the compositor makes, where that is only the band.
    """

    compositor: Compositor
    encoder: EncoderSettings
    band: BandSegmentEncoder | None = None


class Codings:
    """The codings of a render's segments, for its encoding threads.

    Args:
        job: by the time of the first segment, a server has said what it makes.
    """

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self._chosen: _Band | None = None
        self._has_chosen = False
        self._in_full: dict[int, int] = {}
        """Segments, and the pictures that had to be compared until then."""

    def of(self, segment: Segment) -> Coding:
        """How a segment is encoded, for the thread that asks.

        Raises:
            errors.OutputWriteError, errors.ProtocolError, errors.NoFaceError: as `open_compositor`.
            errors.EncoderError: the encoder does not open.
        """
        plan, band = self._job.plan, self._band(segment)
        if band is None:
            return Coding(self._compositor(segment), plan.encoder)
        settings = band.choice.encoder
        if band.still is None or segment.number in self._in_full:
            return Coding(self._compositor(segment), settings)
        compositor = self._band_compositor(band)
        encoder = BandSegmentEncoder(
            settings, band.still, compositor, plan.fps, plan.colour, segment.number
        )
        return Coding(compositor, settings, encoder)

    def encode_in_full(self, segment: Segment, failed: Coding) -> None:
        """Encode all rows of this segment from now on: its pictures cannot be composed."""
        self._in_full[segment.number] = 0 if failed.band is None else failed.band.unproven

    def figures(self, segment: Segment, coding: Coding) -> StillRowsFigures | None:
        """How a segment was encoded; None where all rows were to be."""
        if self._chosen is None:
            return None
        layout, earlier = self._chosen.choice.layout, self._in_full.get(segment.number, 0)
        return StillRowsFigures(
            band_rows=layout.rows,
            rows=layout.total_rows,
            unproven=earlier if coding.band is None else coding.band.unproven,
            in_full=int(coding.band is None),
        )

    def _compositor(self, segment: Segment) -> Compositor:
        """A still's serves all segments of its thread."""
        if not hasattr(self._of_thread, "compositor"):
            state, inputs = self._job.state, self._job.inputs
            assert state.manifest is not None
            assert state.faces is not None
            self._of_thread.compositor = open_compositor(
                self._job.plan, inputs.avatar, state.manifest, state.faces, segment, inputs.mouth
            )
        compositor: Compositor = self._of_thread.compositor
        return compositor

    def _band_compositor(self, band: _Band) -> BandCompositor:
        if not hasattr(self._of_thread, "band"):
            plan = self._job.plan
            self._of_thread.band = BandCompositor(
                band.avatar,
                band.face,
                band.choice.layout,
                plan.fps,
                plan.colour,
                sharp=_sharp(plan),
            )
        compositor: BandCompositor = self._of_thread.band
        return compositor

    def _band(self, segment: Segment) -> _Band | None:
        with self._lock:
            if not self._has_chosen:
                self._chosen = self._choose(segment)
                self._has_chosen = True
            return self._chosen

    def _choose(self, segment: Segment) -> _Band | None:
        state, avatar, plan = self._job.state, self._job.inputs.avatar, self._job.plan
        assert state.manifest is not None
        assert state.faces is not None
        if plan.still_rows is StillRowsMode.FULL or state.manifest.makes_full_frames:
            return None
        if avatar.rate is not None:
            return None
        planes, face = _still(plan, avatar, state.faces, segment)
        choice = choose_band(plan.encoder, face, plan.width, plan.height)
        return (
            None if choice is None else _Band(choice, planes, face, _encoded(choice, planes, plan))
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """What the segments of a still avatar share.

    Attributes:
        still: None where the encoder's streams cannot be composed.
    """

    choice: BandChoice
    avatar: Planes
    face: Face
    still: StillRows | None


def _encoded(choice: BandChoice, planes: Planes, plan: Plan) -> StillRows | None:
    try:
        return encode_still_rows(choice.encoder, planes, choice.layout, plan.fps, plan.colour)
    except (UnsupportedStreamError, av.FFmpegError):
        return None


def open_compositor(
    plan: Plan,
    avatar: AvatarSource,
    manifest: Manifest,
    faces: FaceTable,
    segment: Segment,
    mouth: Box | None = None,
) -> Compositor:
    """What makes the frames of a segment.

    Args:
        manifest: says whether crops come or full frames.
        faces: of the avatar's source frames.
        mouth: where our own look at the avatar found it, for full frames.

    Raises:
        errors.OutputWriteError: the faces cannot be read.
        errors.ProtocolError: a face that does not fit the avatar.
        errors.NoFaceError: a source frame without a face.
    """
    if manifest.makes_full_frames:
        pix_fmt = plan.encoder.pix_fmt
        return FullFrameCompositor(plan.width, plan.height, pix_fmt, plan.fps, plan.colour, mouth)
    planes, face = _still(plan, avatar, faces, segment)
    return StillCompositor(planes, face, plan.fps, plan.colour, sharp=_sharp(plan))


def _still(
    plan: Plan, avatar: AvatarSource, faces: FaceTable, segment: Segment
) -> tuple[Planes, Face]:
    only = replace(plan.sources_of(segment)[0], count=1)
    (face,) = faces.read(only)
    if face is None:
        raise NoFaceError(f"source frame {only.first} has none", where=str(plan.avatar))
    return next(avatar.planes(only, LAYOUTS[plan.encoder.pix_fmt])), face


def _sharp(plan: Plan) -> bool:
    return plan.scaling is Scaling.LANCZOS
