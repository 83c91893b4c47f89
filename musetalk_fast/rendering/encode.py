"""What the thread of a segment does: crops become frames, frames become a part."""

from __future__ import annotations

from musetalk_fast.rendering.active_segment import ActiveSegment
from musetalk_fast.rendering.compositing import Compositors
from musetalk_fast.rendering.queue import QueueClosedError
from musetalk_fast.rendering.render_job import RenderJob
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part


class SegmentEncoder:
    """Makes the parts of a render's segments."""

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        self._compositors = Compositors(job)

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
        compositor = self._compositors.of(active.segment)
        for frame in active.queue:
            encoder.encode(compositor.compose(frame, frame.index - active.segment.start))
            active.encoded += 1
        if active.queue.closed:
            raise QueueClosedError
