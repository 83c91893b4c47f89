"""Files damaged at random: read or refused with a reason, soon, and in little memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import damaged, saved
from PIL import Image
from recordings import record, tones

from musetalk_fast import errors
from musetalk_fast.media.image import load_still
from musetalk_fast.media.speech import load_speech
from musetalk_fast.types import Picture

TIMES = 100
_MAX_SECS = 5.0
"""Of processor time, for one file; a complete one takes milliseconds."""
_MAX_GROWTH = 200 << 10
"""KiB, over all files of a kind."""


def _survives(data: bytes, path: Path, read: Callable[[Path], object]) -> None:
    path.write_bytes(data)
    read(path)  # the file is good before it is damaged
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusals: list[errors.InputError] = []
    for seed in range(TIMES):
        path.write_bytes(damaged(data, seed))
        began = time.process_time()
        try:
            read(path)
        except errors.InputError as error:
            refusals.append(error)
        assert time.process_time() - began < _MAX_SECS, seed
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _MAX_GROWTH
    assert refusals
    assert all(error.where == str(path) and error.hint for error in refusals)


PICTURES = {
    "PNG": ("RGB", "PNG", {}),
    "PNG with a palette": ("P", "PNG", {"transparency": 3}),
    "PNG with alpha": ("RGBA", "PNG", {}),
    "JPEG": ("RGB", "JPEG", {}),
    "progressive JPEG": ("L", "JPEG", {"progressive": True}),
    "CMYK JPEG": ("CMYK", "JPEG", {}),
    "WebP": ("RGB", "WEBP", {}),
    "WebP with alpha": ("RGBA", "WEBP", {}),
    "lossless WebP": ("RGB", "WEBP", {"lossless": True}),
    "AVIF": ("RGB", "AVIF", {}),
    "BMP": ("RGB", "BMP", {}),
    "BMP with a palette": ("P", "BMP", {}),
    "TIFF": ("RGB", "TIFF", {}),
    "LZW TIFF": ("RGBA", "TIFF", {"compression": "tiff_lzw"}),
    "fax TIFF": ("1", "TIFF", {"compression": "group4"}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name: str, astronaut: Picture, tmp_path: Path) -> None:
    mode, kind, options = PICTURES[name]
    picture = Image.fromarray(astronaut[100:240, 100:260])
    if mode == "RGBA":
        picture.putalpha(picture.convert("L"))
    exif = Image.Exif()
    exif[274] = 6
    data = saved(
        picture.convert(mode), kind, **options, **({"exif": exif} if kind != "BMP" else {})
    )
    _survives(
        data, tmp_path / "a", lambda path: load_still(path, background="white", resolution=None)
    )


RECORDINGS = {
    "a.wav": ("pcm_s16le", "s16", "mono", {}),
    "a.flac": ("flac", "s16", "mono", {}),
    "a.mp3": ("libmp3lame", "s16p", "mono", {}),
    "a.m4a": ("aac", "fltp", "mono", {"container": "ipod"}),
    "a.aac": ("aac", "fltp", "mono", {"container": "adts"}),
    "a.ogg": ("vorbis", "fltp", "stereo", {"strict": "experimental"}),
    "a.opus": ("libopus", "s16", "mono", {"container": "ogg"}),
    "a.webm": ("libopus", "s16", "mono", {}),
    "a.mp4": ("aac", "fltp", "mono", {"film": True}),
    "a.ts": ("aac", "fltp", "mono", {}),
    "a.avi": ("libmp3lame", "s16p", "mono", {"film": True}),
    "a.aiff": ("pcm_s16be", "s16", "mono", {}),
    "a.caf": ("pcm_s16be", "s16", "mono", {}),
    "a.w64": ("pcm_s16le", "s16", "mono", {}),
}


@pytest.mark.long
@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codec, kind, layout, options = RECORDINGS[name]
    signal = np.repeat(tones(48_000, 0.8), 2 if layout == "stereo" else 1, axis=1)
    path = record(tmp_path / name, codec, kind, 48_000, signal, layout=layout, **options)
    data = path.read_bytes()
    capfd.readouterr()
    _survives(data, path, lambda path: load_speech(path, tmp_path))
    # PyAV prints what a callback of its raises.
    assert "Traceback" not in capfd.readouterr().err
    assert not list(tmp_path.glob("*.tmp"))
