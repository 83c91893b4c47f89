"""What the thread of a segment does: crops become frames, frames become a part."""

from __future__ import annotations

import threading
from dataclasses import replace

from musetalk_fast.errors import NoFaceError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.manifest import Manifest
from musetalk_fast.rendering.queue import QueueClosedError
from musetalk_fast.rendering.segment import ActiveSegment
from musetalk_fast.types import Scaling
from musetalk_fast.video.compositor import Compositor, StillCompositor
from musetalk_fast.video.full_frame import FullFrameCompositor
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
        return open_compositor(plan, avatar, state.manifest, state.faces, segment)


def open_compositor(
    plan: Plan, avatar: AvatarSource, manifest: Manifest, faces: FaceTable, segment: Segment
) -> Compositor:
    """What makes the frames of a segment.

    Args:
        manifest: says whether crops come or full frames.
        faces: of the avatar's source frames.

    Raises:
        errors.OutputWriteError: the faces cannot be read.
        errors.ProtocolError: a face that does not fit the avatar.
        errors.NoFaceError: a source frame without a face.
    """
    pix_fmt = plan.encoder.pix_fmt
    if manifest.makes_full_frames:
        return FullFrameCompositor(plan.width, plan.height, pix_fmt, plan.fps, plan.colour)
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
                self._encode(active, encoder)
                return encoder.finish()
            except BaseException:
                encoder.abort()
                raise
        finally:
            active.queue.close()

    def _encode(self, active: ActiveSegment, encoder: PartEncoder) -> None:
        compositor = self._compositors.of(active.segment)
        for frame in active.queue:
            encoder.encode(compositor.compose(frame, frame.index - active.segment.start))
            active.encoded += 1
        if active.queue.closed:
            raise QueueClosedError
