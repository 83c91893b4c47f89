"""Sound that changes its rate or channels becomes sound that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import AudioFormatError

if TYPE_CHECKING:
    import av

_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0}
_OTHER_WEIGHT = 0.5
"""ITU-R BS.775 downmix, divided by the sum so that it never clips: speech is in the centre."""

_MIN_RATE, _MAX_RATE = 4_000, 768_000


def mono_weights(layout: av.AudioLayout) -> NDArray[np.float32]:
    """(channels,) float32: how much of each channel goes into one; together 1."""
    weights = [_WEIGHTS.get(channel.name, _OTHER_WEIGHT) for channel in layout.channels]
    if len(weights) != layout.nb_channels or not any(weights):
        weights = [1.0] * layout.nb_channels
    shares = np.array(weights, np.float32)
    return np.asarray(shares / shares.sum())


class UniformSound:
    """Brings frames to packed 32-bit floats in the rate and channels of the first one.

    Attributes:
        rate: samples a second; 0 before the first frame.
        layout: channels; None before the first frame.
        changes: how often rate or channels changed.
    """

    def __init__(self) -> None:
        self.rate = 0
        self.layout: av.AudioLayout | None = None
        self.changes = 0
        self._converter: av.AudioResampler | None = None
        self._form: tuple[object, ...] = ()
        self._last: tuple[int, str] | None = None

    def convert(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """What a frame becomes; at a change, the end of what was before it, too.

        Raises:
            errors.AudioFormatError: a rate beyond reason, or channels that cannot be mixed.
        """
        form = (frame.format.name, frame.sample_rate, frame.layout.name)
        before: list[av.AudioFrame] = []
        if form != self._form:
            before = self.flush()
            self._begin(frame)
            self._form = form
        frame.pts = None
        return before + self._resampled(frame)

    def flush(self) -> list[av.AudioFrame]:
        """What is still in work. What follows begins anew."""
        rest = self._resampled(None) if self._converter else []
        self._converter, self._form = None, ()
        return rest

    def silence(self, samples: int) -> av.AudioFrame:
        """Digital silence, as frames are."""
        import av

        assert self.layout is not None
        frame = av.AudioFrame(format="flt", layout=self.layout, samples=samples)
        frame.sample_rate = self.rate
        plane = frame.planes[0]
        plane.update(bytes(plane.buffer_size))
        return frame

    def _begin(self, frame: av.AudioFrame) -> None:
        import av

        rate = frame.sample_rate
        if not _MIN_RATE <= rate <= _MAX_RATE:
            raise AudioFormatError(
                f"{rate} samples a second are outside {_MIN_RATE} to {_MAX_RATE}"
            )
        if self.layout is None:
            self.rate, self.layout = rate, frame.layout
        shape = (rate, frame.layout.name)
        self.changes += self._last not in (None, shape)
        self._last = shape
        if rate == self.rate:
            self._converter = av.AudioResampler(format="flt")
        else:
            self._converter = av.AudioResampler(format="flt", rate=self.rate)

    def _resampled(self, frame: av.AudioFrame | None) -> list[av.AudioFrame]:
        import av

        assert self._converter is not None
        try:
            frames = self._converter.resample(frame)
        except (ValueError, av.FFmpegError) as error:
            raise AudioFormatError("the sound changes its format") from error
        assert self.layout is not None
        same = self.layout.name
        return [each if each.layout.name == same else self._remixed(each) for each in frames]

    def _remixed(self, frame: av.AudioFrame) -> av.AudioFrame:
        """All channels in one, and that in front."""
        import av

        assert self.layout is not None
        samples = np.asarray(frame.to_ndarray(), np.float32)
        mono = samples.reshape(-1, frame.layout.nb_channels) @ mono_weights(frame.layout)
        front = [channel.name in ("FL", "FR") for channel in self.layout.channels]
        if len(front) != self.layout.nb_channels or not any(front):
            front = [True] * self.layout.nb_channels
        spread = np.outer(mono, np.array(front, np.float32)).reshape(1, -1)
        new = av.AudioFrame.from_ndarray(spread, format="flt", layout=self.layout.name)
        new.sample_rate = self.rate
        return new
