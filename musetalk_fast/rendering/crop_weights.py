"""How much of the model's mouth each frame of a segment shows.

It follows from a frame's own sound and its own source frame, and from nothing else, so that any
segment of any run on any machine comes to the same, forward and backward.
"""

from __future__ import annotations

from musetalk_fast.media.pauses import crop_weights
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.types import Silence
from musetalk_fast.video.compositor import NoCrop
from musetalk_fast.wire.messages import Frame, FullFrame


class CropWeights:
    """The weights of a segment's crops.

    Args:
        job: by now its faces are known.

    Raises:
        OSError: the recording cannot be read.
    """

    def __init__(self, job: RenderJob, segment: Segment) -> None:
        plan, inputs = job.plan, job.inputs
        self._start = segment.start
        self._in_sound = None
        if plan.silence is Silence.HOLD:
            self._in_sound = crop_weights(inputs.speech.wav, plan.fps, segment.start, segment.stop)
        rate = inputs.avatar.rate
        self._by_source = None if rate is None else job.state.faceless.crop_weights(rate)

    def of(self, frame: Frame | FullFrame | NoCrop) -> float:
        """0 shows the avatar's own mouth, 1 the model's."""
        weight = 1.0
        if self._in_sound is not None:
            weight = float(self._in_sound[frame.index - self._start])
        if self._by_source is not None and isinstance(frame, Frame):
            weight *= float(self._by_source[frame.source])
        return weight
