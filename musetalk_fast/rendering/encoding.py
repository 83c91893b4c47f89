"""What the thread of a segment does: crops become frames, frames become a part."""

from __future__ import annotations

import threading

import av

from musetalk_fast.rendering.feed import AnyFrame, Feed
from musetalk_fast.rendering.handover import HandoverClosedError
from musetalk_fast.rendering.work import Work
from musetalk_fast.types import Scaling
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.messages import FullFrame


class SegmentEncoding:
    """Makes the parts of a render's segments; each thread makes its frames' planes once."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._of_thread = threading.local()

    def __call__(self, feed: Feed) -> Part:
        """Paste and encode a feed's frames until it ends.

        Raises:
            errors.FrameShapeError: a crop that is not what its header says.
            errors.OutputError: encoding or writing failed.
            HandoverClosedError: the segment was abandoned.
        """
        plan, settled, segment = self._work.plan, self._work.record.settled, feed.segment
        assert settled is not None
        path = self._work.record.folder.part_path(segment.number, plan.encoder.part_suffix)
        label = settled.label(plan, segment)
        try:
            encoder = PartEncoder(
                path, plan.encoder, plan.width, plan.height, plan.fps, segment.start, label
            )
            try:
                self._encode(feed, encoder)
                return encoder.finish()
            except BaseException:
                encoder.abort()
                raise
        finally:
            feed.handover.close()

    def _encode(self, feed: Feed, encoder: PartEncoder) -> None:
        pictures = self._pictures()
        for frame in feed.handover:
            encoder.encode(pictures.compose(frame, frame.index - feed.segment.start))
            feed.encoded += 1
        if feed.handover.closed:
            raise HandoverClosedError

    def _pictures(self) -> _Pictures:
        if not hasattr(self._of_thread, "pictures"):
            self._of_thread.pictures = _Pictures(self._work)
        pictures: _Pictures = self._of_thread.pictures
        return pictures


class _Pictures:
    """Makes the frames of one thread, from crops or from whole pictures."""

    def __init__(self, work: Work) -> None:
        plan, settled = work.plan, work.record.settled
        assert settled is not None
        self._crops = self._whole = None
        if settled.makes_whole:
            self._whole = FullFrameCompositor(plan.width, plan.height, plan.encoder, plan.fps)
        else:
            face = next(face for face in settled.faces.faces if face is not None)
            self._crops = StillCompositor(
                work.inputs.still.rgb,
                face,
                plan.encoder,
                plan.fps,
                sharp=plan.scaling is Scaling.LANCZOS,
            )
            self._reader = CropReader()

    def compose(self, frame: AnyFrame, index: int) -> av.VideoFrame:
        if isinstance(frame, FullFrame):
            assert self._whole is not None
            return self._whole.compose(frame, index)
        assert self._crops is not None
        return self._crops.compose(self._reader.read(frame), frame.rows.first, index)
