"""What the thread of a segment does: crops become frames, frames become a part."""

from __future__ import annotations

import threading

import av

from musetalk_fast.rendering.active_segment import ActiveSegment, AnyFrame
from musetalk_fast.rendering.queue import QueueClosedError
from musetalk_fast.rendering.render_job import RenderJob
from musetalk_fast.types import Scaling
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.messages import FullFrame


class SegmentEncoder:
    """Makes the parts of a render's segments; each thread makes its frames' planes once."""

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        self._of_thread = threading.local()

    def __call__(self, active: ActiveSegment) -> Part:
        """Paste and encode a feed's frames until it ends.

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
        pictures = self._pictures()
        for frame in active.queue:
            encoder.encode(pictures.compose(frame, frame.index - active.segment.start))
            active.encoded += 1
        if active.queue.closed:
            raise QueueClosedError

    def _pictures(self) -> _Pictures:
        if not hasattr(self._of_thread, "pictures"):
            self._of_thread.pictures = _Pictures(self._job)
        pictures: _Pictures = self._of_thread.pictures
        return pictures


class _Pictures:
    """Makes the frames of one thread, from crops or from whole pictures."""

    def __init__(self, job: RenderJob) -> None:
        plan, manifest = job.plan, job.state.manifest
        assert manifest is not None
        self._crops = self._infer_lock = None
        if manifest.makes_full_frames:
            self._infer_lock = FullFrameCompositor(
                plan.width, plan.height, plan.encoder, plan.fps, plan.colour
            )
        else:
            face = next(face for face in manifest.faces.faces if face is not None)
            self._crops = StillCompositor(
                job.inputs.still.rgb,
                face,
                plan.encoder,
                plan.fps,
                plan.colour,
                sharp=plan.scaling is Scaling.LANCZOS,
            )
            self._reader = CropReader()

    def compose(self, frame: AnyFrame, index: int) -> av.VideoFrame:
        if isinstance(frame, FullFrame):
            assert self._infer_lock is not None
            return self._infer_lock.compose(frame, index)
        assert self._crops is not None
        return self._crops.compose(self._reader.read(frame), frame.rows.first, index)
