"""What the thread of a segment does: crops become frames, frames become a part."""

from __future__ import annotations

import numpy as np

from musetalk_fast.rendering.feed import Feed
from musetalk_fast.rendering.handover import HandoverClosedError
from musetalk_fast.rendering.work import Work
from musetalk_fast.types import CROP_SIZE
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder import PartEncoder
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.crops import crop_view


def encode_segment(work: Work, feed: Feed) -> Part:
    """Paste and encode a feed's frames until it ends.

    Raises:
        errors.FrameShapeError: a crop that is not what its header says.
        errors.OutputError: encoding or writing failed.
        HandoverClosedError: the segment was abandoned.
    """
    plan, settled, segment = work.plan, work.record.settled, feed.segment
    assert settled is not None
    path = work.record.folder.part_path(segment.number, plan.encoder.part_suffix)
    label = settled.label(plan)
    try:
        encoder = PartEncoder(
            path, plan.encoder, plan.width, plan.height, plan.fps, segment.start, label
        )
        try:
            _encode(work, feed, encoder)
            return encoder.finish()
        except BaseException:
            encoder.abort()
            raise
    finally:
        feed.handover.close()


def _encode(work: Work, feed: Feed, encoder: PartEncoder) -> None:
    plan, settled = work.plan, work.record.settled
    assert settled is not None
    face = next(face for face in settled.faces.faces if face is not None)
    compositor = StillCompositor(work.inputs.still.rgb, face, plan.encoder, plan.fps)
    scratch = np.empty((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    for frame in feed.handover:
        crop = crop_view(frame, scratch)
        index = frame.index - feed.segment.start
        encoder.encode(compositor.compose(crop, frame.rows.first, index))
        feed.encoded += 1
    if feed.handover.closed:
        raise HandoverClosedError
