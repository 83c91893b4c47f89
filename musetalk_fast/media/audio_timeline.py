"""Where the sound of each frame belongs, by the time stamps of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import av

_JITTER = 0.015
"""Seconds that stamps may be late: less than the 20 ms of a packet of speech that is not there,
more than clocks of phones and browsers waver. Holes that are smaller add up until they count."""
_SURE = 1.0
"""A longer gap counts only if the frame after it agrees: a damaged stamp is no pause."""
_RESTART = 1.0
"""Stamps that step back so far begin anew: one recording was put behind another."""
_NEW_CLOCK = 10.0
"""As far ahead, a broadcast's clock was set anew, which such formats allow (FFmpeg's
`dts_delta_threshold`)."""


class Piece(NamedTuple):
    """A frame and what the file says of its place, all in seconds.

    Attributes:
        start: by the file's clock; None: it has none.
        tick: what that clock can tell apart.
        lost: what could not be decoded just before it.
    """

    frame: av.AudioFrame
    start: float | None
    tick: float
    lost: float

    @property
    def stop(self) -> float | None:
        """Its end by the file's clock."""
        if self.start is None:
            return None
        return self.start + self.frame.samples / self.frame.sample_rate


def stamped(frame: av.AudioFrame, lost: float, *, timed: bool) -> Piece:
    """A frame with its stamp; None where the format has none (`audio_file.UNTIMED`)."""
    if not timed or frame.pts is None or frame.time_base is None:
        return Piece(frame, None, 0.0, lost)
    tick = float(frame.time_base)
    return Piece(frame, frame.pts * tick, tick, lost)


class Timeline:
    """Says where pieces begin, in seconds of the sound so far.

    The stamps are compared with all samples since the first one, not with the last frame only, so
    that rounding and jitter add nothing, and small gaps are not lost.

    Args:
        resets: the format's clock may be set anew at any time.
        origin: the stamp of the recording's first sample; None: that of the first piece.
    """

    def __init__(self, *, resets: bool, origin: float | None = None) -> None:
        self._resets = resets
        self._origin = origin

    def start(self, piece: Piece, following: Piece | None, now: float) -> float:
        """Where a piece begins: at `now`, or later if something is missing before it."""
        if piece.start is None:
            return now + piece.lost
        if self._origin is None:
            self._origin = piece.start
            return now
        at = piece.start - self._origin
        late = at - now
        if late < -_RESTART or (self._resets and late > _NEW_CLOCK):
            self._origin = piece.start - now - piece.lost
            return now + piece.lost
        if late <= max(_JITTER, 2 * piece.tick):
            return now
        if late > _SURE and following is not None and _is_wrong(piece, following):
            return now + piece.lost
        return at


def _is_wrong(piece: Piece, following: Piece) -> bool:
    """Whether the next frame's stamp contradicts this one's."""
    if piece.stop is None or following.start is None:
        return False
    return following.start < piece.stop - _SURE
