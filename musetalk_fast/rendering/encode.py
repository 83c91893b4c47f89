"""What the thread of a segment does: crops become frames, frames become a part."""

from __future__ import annotations

import threading
from dataclasses import replace

from musetalk_fast.errors import NoFaceError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.speech_levels import speech_levels
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.manifest import Manifest
from musetalk_fast.rendering.queue import QueueClosedError
from musetalk_fast.rendering.segment import ActiveSegment
from musetalk_fast.types import Box, Scaling
from musetalk_fast.video.compositor import Compositor, StillCompositor
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.video.mouth_motion import MotionMeter, MotionSums, sampled_every
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part


class Compositors:
    """The compositors of a render, for its encoding threads.

    Args:
        job: by the time of the first segment, a server has said what it makes.
    """

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        self._of_thread = threading.local()

    def of(self, segment: Segment) -> Compositor:
        """What makes the frames of a segment, for the thread that asks; see `open_compositor`.

        A still's serves all segments of its thread.
        """
        if not hasattr(self._of_thread, "compositor"):
            self._of_thread.compositor = self._open(segment)
        compositor: Compositor = self._of_thread.compositor
        return compositor

    def _open(self, segment: Segment) -> Compositor:
        state, avatar, plan = self._job.state, self._job.inputs.avatar, self._job.plan
        assert state.manifest is not None
        assert state.faces is not None
        mouth = self._job.inputs.mouth
        return open_compositor(plan, avatar, state.manifest, state.faces, segment, mouth)


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
    pix_fmt = plan.encoder.pix_fmt
    if manifest.makes_full_frames:
        return FullFrameCompositor(plan.width, plan.height, pix_fmt, plan.fps, plan.colour, mouth)
    only = replace(plan.sources_of(segment)[0], count=1)
    (face,) = faces.read(only)
    if face is None:
        raise NoFaceError(f"source frame {only.first} has none", where=str(plan.avatar))
    planes = next(avatar.planes(only, LAYOUTS[pix_fmt]))
    sharp = plan.scaling is Scaling.LANCZOS
    return StillCompositor(planes, face, plan.fps, plan.colour, sharp=sharp)


class SegmentEncoder:
    """Makes the parts of a render's segments."""

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        self._compositors = Compositors(job)
        self._every = sampled_every(job.plan.fps)

    def __call__(self, active: ActiveSegment) -> Part:
        """Paste and encode a segment's frames until they end.

        Raises:
            errors.FrameShapeError: a crop that is not what its header says.
            errors.OutputError: encoding or writing failed.
            QueueClosedError: the segment was abandoned.
        """
        plan, manifest, segment = self._job.plan, self._job.state.manifest, active.segment
        assert manifest is not None
        path = self._job.state.jobdir.part_path(segment.number, plan.encoder.part_suffix)
        label = manifest.label(plan, segment)
        try:
            encoder = PartEncoder(
                path,
                plan.encoder,
                plan.width,
                plan.height,
                plan.fps,
                plan.colour,
                segment.start,
                label,
            )
            try:
                meter = self._encode(active, encoder)
                return encoder.finish(self._measured(meter, segment))
            except BaseException:
                encoder.abort()
                raise
        finally:
            active.queue.close()

    def _encode(self, active: ActiveSegment, encoder: PartEncoder) -> MotionMeter:
        compositor = self._compositors.of(active.segment)
        layout = LAYOUTS[self._job.plan.encoder.pix_fmt]
        meter = MotionMeter(layout.sample_bytes, layout.depth + layout.shift)
        for frame in active.queue:
            index = frame.index - active.segment.start
            shown = compositor.compose(frame, index)
            if index % self._every == 0:
                meter.add(compositor.mouth_look())
            encoder.encode(shown)
            active.encoded += 1
        if active.queue.closed:
            raise QueueClosedError
        return meter

    def _measured(self, meter: MotionMeter, segment: Segment) -> MotionSums | None:
        """The motion of a segment's mouth beside its sound; not measured is no failure."""
        if not meter.intervals:
            return None
        fps, wav = self._job.plan.fps, self._job.inputs.speech.wav
        interval = self._every / fps
        try:
            levels = speech_levels(wav, segment.start / fps, interval, meter.intervals)
        except OSError:
            return None
        return meter.sums(levels, interval)
