from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from musetalk_fast.kernels.jpeg import JpegError, decode_jpeg_into, encode_jpeg


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x % 256, y % 256, (x + y) // 2 % 256], axis=2).astype(np.uint8)


def test_goes_there_and_back_in_rgb() -> None:
    crop = smooth(148, 256)
    out = np.zeros_like(crop)
    decode_jpeg_into(encode_jpeg(crop), out)
    assert np.abs(out.astype(int) - crop).mean() < 2
    theirs = np.array(Image.open(io.BytesIO(encode_jpeg(crop))))
    assert np.abs(theirs.astype(int) - out).max() <= 2


def test_the_header_is_checked_before_decoding() -> None:
    out = np.full((8, 8, 3), 7, np.uint8)
    with pytest.raises(JpegError, match="JPEG of 16x8 pixels where 8x8 are expected"):
        decode_jpeg_into(encode_jpeg(smooth(8, 16)), out)
    assert (out == 7).all()


@pytest.mark.parametrize("keep", [0, 2, 100, 0.5, 0.9])
def test_refuses_what_is_cut(keep: float) -> None:
    data = encode_jpeg(smooth(64, 64))
    end = int(keep * len(data)) if isinstance(keep, float) else keep
    with pytest.raises(JpegError, match="not a whole JPEG"):
        decode_jpeg_into(data[:end], np.empty((64, 64, 3), np.uint8))


def test_refuses_buffers_by_name() -> None:
    data = encode_jpeg(smooth(8, 8))
    with pytest.raises(ValueError, match="must be uint8"):
        decode_jpeg_into(data, np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="not C-contiguous"):
        decode_jpeg_into(data, np.zeros((8, 16, 3), np.uint8)[:, ::2])
    locked = np.zeros((8, 8, 3), np.uint8)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        decode_jpeg_into(data, locked)
    with pytest.raises(ValueError, match="quality is 0"):
        encode_jpeg(smooth(8, 8), 0)
