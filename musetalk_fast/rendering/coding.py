"""Chooses how the frames of a segment are composed and encoded: all rows, or the band."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TypeAlias

from musetalk_fast.errors import NoFaceError
from musetalk_fast.events import StillRowsFigures
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.video.engine_view import EngineView
from musetalk_fast.media.video.tone_tables import crop_table
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.manifest import Manifest
from musetalk_fast.rendering.shown_frames import shown_frames
from musetalk_fast.types import Box, Face, Scaling, SourceRun, StillRowsMode
from musetalk_fast.video.band_segment import (
    BandCompositor,
    BandSegmentEncoder,
    StillBand,
    encode_rows,
)
from musetalk_fast.video.compositor import Compositor, StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.first_frame import FirstFrameCompositor
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.video.still_rows import BandChoice, choose_band, shows_first_frame
from musetalk_fast.video.video_compositor import VideoCompositor

_Choice: TypeAlias = tuple[BandChoice | None, StillBand | None]
"""How the band is encoded, if it is to be; the band, if its pictures can be composed."""


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
        self._chosen: _Choice | None = None
        self._in_full: dict[int, int] = {}
        """Segments, and the pictures that had to be compared until then."""

    def of(self, segment: Segment) -> Coding:
        """How a segment is encoded, for the thread that asks.

        Raises:
            errors.OutputWriteError, errors.ProtocolError, errors.NoFaceError: as `open_compositor`.
            errors.EncoderError: the encoder does not open.
        """
        choice, band = self._choice(segment)
        if choice is None:
            return Coding(self._compositor(segment), self._job.plan.encoder)
        if band is None or segment.number in self._in_full:
            return Coding(self._compositor(segment), choice.encoder)
        compositor = self._band_compositor(band)
        return Coding(compositor, choice.encoder, band.encoder(compositor, segment.number))

    def encode_in_full(self, segment: Segment, failed: Coding) -> None:
        """Encode all rows of this segment from now on: its pictures cannot be composed."""
        self._in_full[segment.number] = 0 if failed.band is None else failed.band.unproven

    def figures(self, segment: Segment, coding: Coding) -> StillRowsFigures | None:
        """How a segment was encoded; None where all rows were to be."""
        choice, _ = self._choice(segment)
        if choice is None:
            return None
        layout, earlier = choice.layout, self._in_full.get(segment.number, 0)
        return StillRowsFigures(
            band_rows=layout.rows,
            rows=layout.total_rows,
            unproven=earlier if coding.band is None else coding.band.unproven,
            in_full=int(coding.band is None),
        )

    def _compositor(self, segment: Segment) -> Compositor:
        """A still's serves all segments of its thread, a moving avatar's this one."""
        if self._job.inputs.avatar.rate is not None:
            return self._video_compositor(segment)
        if not hasattr(self._of_thread, "compositor"):
            state, inputs = self._job.state, self._job.inputs
            assert state.manifest is not None
            assert state.faces is not None
            self._of_thread.compositor = open_compositor(
                self._job.plan, inputs.avatar, state.manifest, state.faces, segment, inputs.mouth
            )
        compositor: Compositor = self._of_thread.compositor
        return compositor

    def _video_compositor(self, segment: Segment) -> VideoCompositor:
        state, avatar, plan = self._job.state, self._job.inputs.avatar, self._job.plan
        assert state.faces is not None
        layout = LAYOUTS[plan.encoder.pix_fmt]
        shown = shown_frames(
            avatar, state.faces, state.faceless.shown(plan.sources_of(segment)), layout
        )
        look = (plan.width, plan.height), layout, plan.fps, plan.colour
        # What shrinks a crop further than to its box must not alias.
        shrinks = avatar.placement is not None and avatar.placement.shrinks
        sharp, match = _sharp(plan) or shrinks, plan.match_colour
        curve = avatar.tone_curve
        if curve is None:
            return VideoCompositor(shown, *look, sharp=sharp, match_colour=match)
        return VideoCompositor(
            shown,
            *look,
            sharp=sharp,
            match_colour=match,
            table=crop_table(curve),
            to_levels=curve.levels,
            seen=EngineView(curve, layout),
        )

    def _band_compositor(self, band: StillBand) -> BandCompositor:
        if not hasattr(self._of_thread, "band"):
            self._of_thread.band = band.compositor()
        compositor: BandCompositor = self._of_thread.band
        return compositor

    def _choice(self, segment: Segment) -> _Choice:
        with self._lock:
            if self._chosen is None:
                self._chosen = self._choose(segment)
            return self._chosen

    def _choose(self, segment: Segment) -> _Choice:
        state, avatar, plan = self._job.state, self._job.inputs.avatar, self._job.plan
        assert state.manifest is not None
        assert state.faces is not None
        if plan.still_rows is StillRowsMode.FULL or state.manifest.makes_full_frames:
            return None, None
        if avatar.rate is not None:
            return None, None
        planes, face = _still(plan, avatar, state.faces, segment)
        choice = choose_band(plan.encoder, face, plan.width, plan.height)
        if choice is None:
            return None, None
        key = choice, plan.fps, plan.colour
        try:
            rows = self._job.avatars.still_rows(
                avatar, key, lambda: encode_rows(choice, planes, plan.fps, plan.colour)
            )
        except UnsupportedStreamError:
            return choice, None
        look = plan.fps, plan.colour, _sharp(plan), plan.match_colour
        return choice, StillBand(choice, planes, face, rows, *look)


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
        size, layout = (plan.width, plan.height), LAYOUTS[plan.encoder.pix_fmt]
        planes = next(avatar.planes(SourceRun(0, 0, 1), layout)) if layout.alpha else None
        return FullFrameCompositor(*size, layout.name, plan.fps, plan.colour, mouth, planes)
    planes, face = _still(plan, avatar, faces, segment)
    look = face, plan.fps, plan.colour
    sharp, match = _sharp(plan), plan.match_colour
    if plan.still_rows is StillRowsMode.AUTO and shows_first_frame(plan.encoder):
        return FirstFrameCompositor(planes, plan.encoder, *look, sharp=sharp, match_colour=match)
    return StillCompositor(planes, *look, sharp=sharp, match_colour=match)


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
