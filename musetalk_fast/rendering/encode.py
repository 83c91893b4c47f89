"""The encoding thread of a segment: crops become frames, frames become a part."""

from __future__ import annotations

from dataclasses import replace

from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.speech_levels import speech_levels
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.coding import Coding, Codings
from musetalk_fast.rendering.crop_weights import CropWeights
from musetalk_fast.rendering.frame_queue import QueueClosedError
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.segment import ActiveSegment
from musetalk_fast.video.mouth_motion import MotionMeter, MotionSums, sampled_every
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part


class SegmentEncoder:
    """Makes the parts of a render's segments."""

    def __init__(self, job: RenderJob) -> None:
        self._job = job
        self._codings = Codings(job)
        self._every = sampled_every(job.plan.fps)

    def __call__(self, active: ActiveSegment) -> Part:
        """Paste and encode a segment's frames until they end.

        Raises:
            errors.FrameShapeError: a crop that is not what its header says.
            errors.OutputError: encoding or writing failed.
            UnsupportedStreamError: called again for this segment, it will encode it in full.
            QueueClosedError: the segment was abandoned.
        """
        segment = active.segment
        try:
            coding = self._codings.of(segment)
            try:
                part = self._make(active, coding)
            except UnsupportedStreamError:
                self._codings.encode_in_full(segment, coding)
                raise
            return replace(part, still_rows=self._codings.figures(segment, coding))
        finally:
            active.queue.close()

    def _make(self, active: ActiveSegment, coding: Coding) -> Part:
        encoder = self._open(active.segment, coding)
        try:
            meter = self._encode(active, coding, encoder)
            return encoder.finish(self._measured(meter, active.segment))
        except BaseException:
            encoder.abort()
            raise

    def _open(self, segment: Segment, coding: Coding) -> PartEncoder:
        plan, manifest = self._job.plan, self._job.state.manifest
        assert manifest is not None
        return PartEncoder(
            self._job.state.jobdir.part_path(segment.number, plan.encoder.part_suffix),
            coding.encoder,
            plan.width,
            plan.height,
            plan.fps,
            plan.colour,
            segment.start,
            manifest.label(plan, segment),
            coding.band,
        )

    def _encode(self, active: ActiveSegment, coding: Coding, encoder: PartEncoder) -> MotionMeter:
        compositor = coding.compositor
        layout = LAYOUTS[self._job.plan.encoder.pix_fmt]
        meter = MotionMeter(layout.sample_bytes, layout.depth + layout.shift)
        weights = CropWeights(self._job, active.segment)
        for frame in active.queue:
            index = frame.index - active.segment.start
            shown = compositor.compose(frame, index, weights.of(frame))
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
