"""Sound that changes its rate or channels becomes sound that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musetalk_fast.errors import AudioFormatError

if TYPE_CHECKING:
    import av

_MIN_RATE, _MAX_RATE = 4_000, 768_000


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
        if shape == (self.rate, self.layout.name):
            self._converter = av.AudioResampler(format="flt")
        else:
            self._converter = av.AudioResampler(format="flt", layout=self.layout, rate=self.rate)

    def _resampled(self, frame: av.AudioFrame | None) -> list[av.AudioFrame]:
        import av

        assert self._converter is not None
        try:
            return self._converter.resample(frame)
        except (ValueError, av.FFmpegError) as error:
            raise AudioFormatError("the sound changes its channels") from error
