"""Decoders of a video that wait where a run ended, for the next one."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musetalk_fast.media.video.frame_decoder import FrameDecoder, FrameShape
from musetalk_fast.media.video.frame_index import FrameIndex
from musetalk_fast.media.video.video_file import VideoFile

_MAX_IDLE = 4
"""Decoders that wait for another run."""


class DecoderPool:
    """Gives each run a decoder of its own; serves several threads at a time.

    Args:
        path: the file.
        index: of its track.
        missing: as `FrameDecoder` has it, shared by all.
        shape: what all frames must have.
    """

    def __init__(
        self, path: Path, index: FrameIndex, missing: bytearray, shape: FrameShape
    ) -> None:
        self._path, self._index = path, index
        self._missing, self._shape = missing, shape
        self._idle: list[FrameDecoder] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    @contextmanager
    def nearest(self, first: int) -> Iterator[FrameDecoder]:
        """A decoder for one run: of those that wait, the one that is nearest before it.

        Raises:
            errors.InputError: as `VideoFile`.
        """
        with self._lock:
            self._idle.sort(key=lambda each: each.distance(first), reverse=True)
            decoder = self._idle.pop() if self._idle else None
        if decoder is None:
            file = VideoFile(self._path)
            decoder = FrameDecoder(file, self._index, self._missing, self._shape)
        try:
            yield decoder
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                decoder.close()
                raise
            self._put_back(decoder)
            raise
        self._put_back(decoder)

    def _put_back(self, decoder: FrameDecoder) -> None:
        with self._lock:
            if len(self._idle) < _MAX_IDLE:
                self._idle.append(decoder)
                return
        decoder.close()


def _close(decoders: list[FrameDecoder]) -> None:
    while decoders:
        decoders.pop().close()
