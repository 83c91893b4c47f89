"""Encodes and decodes the pixels of a frame message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.base64 import Base64Error, decode_into, decoded_size
from musetalk_fast.kernels.jpeg import JpegError, decode_jpeg_into, encode_jpeg
from musetalk_fast.kernels.png import PngError, decode_png_into, encode_png
from musetalk_fast.types import CROP_SIZE, Crop, CropEncoding, Rows
from musetalk_fast.wire.messages import Frame

_MAX_FILE = 2 * CROP_SIZE * CROP_SIZE * 3
"""A JPEG or PNG of a crop is never twice as long as its pixels."""


class CropReader:
    """Makes rows of pixels from frames; decoded pixels are in a buffer that it reuses.

    Serves one thread.
    """

    def __init__(self) -> None:
        self._pixels: Crop = np.empty((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        self._file = memoryview(bytearray(_MAX_FILE))
        """Of a crop that came as base64 of a JPEG or PNG."""

    def read(self, frame: Frame) -> memoryview:
        """The rows that a frame carries.

        Args:
            frame: as a decoder gave it.

        Returns:
            The bytes of (rows, 256, 3) uint8 RGB: `frame.data` itself if it is raw and binary,
            else memory that the next call overwrites.

        Raises:
            FrameShapeError: the data is not what the frame says, or does not fit a crop.
        """
        rows = frame.rows
        fits = rows.first >= 0 and rows.count > 0 and rows.first + rows.count <= CROP_SIZE
        if frame.width != CROP_SIZE or not fits:
            raise FrameShapeError(
                f"frame {frame.index} has rows {rows.first} to {rows.first + rows.count} of "
                f"{frame.width} pixels; a crop is {CROP_SIZE}x{CROP_SIZE}"
            )
        if frame.encoding is CropEncoding.RAW and not frame.base64:
            _check_length(frame, 3 * CROP_SIZE * rows.count)
            return memoryview(frame.data)
        out = self._pixels[: rows.count]
        try:
            if frame.encoding is CropEncoding.RAW:
                _decode_raw(frame, out)
            else:
                _unpack(frame.encoding, self._bytes(frame), out)
        except (Base64Error, JpegError, PngError) as error:
            raise FrameShapeError(f"frame {frame.index}: {error}") from None
        return out.data

    def _bytes(self, frame: Frame) -> bytes | memoryview:
        size = decoded_size(frame.data) if frame.base64 else len(frame.data)
        if size > _MAX_FILE:
            raise FrameShapeError(
                f"frame {frame.index} has {size} bytes of {frame.encoding.value}; "
                f"the limit is {_MAX_FILE}"
            )
        if not frame.base64:
            return frame.data
        return self._file[: decode_into(frame.data, self._file)]


def encode_crop(crop: Crop, encoding: CropEncoding, rows: Rows) -> bytes | memoryview:
    """The bytes of a window of a crop.

    Args:
        crop: (256, 256, 3) uint8 RGB, C-contiguous.
    """
    window = crop[rows.first : rows.first + rows.count]
    if encoding is CropEncoding.JPEG:
        return encode_jpeg(window)
    return encode_png(window, level=1) if encoding is CropEncoding.PNG else window.data.cast("B")


def _check_length(frame: Frame, wanted: int) -> None:
    if len(frame.data) != wanted:
        raise FrameShapeError(
            f"frame {frame.index} has {len(frame.data)} bytes"
            f"{' of base64' if frame.base64 else ''}; its {frame.rows.count} rows need {wanted}"
        )


def _decode_raw(frame: Frame, out: Crop) -> None:
    _check_length(frame, out.size // 3 * 4)
    if decode_into(frame.data, out) != out.size:
        raise FrameShapeError(f"frame {frame.index} has padding where its last pixel should be")


def _unpack(encoding: CropEncoding, data: bytes | memoryview, out: NDArray[np.uint8]) -> None:
    (decode_jpeg_into if encoding is CropEncoding.JPEG else decode_png_into)(data, out)
