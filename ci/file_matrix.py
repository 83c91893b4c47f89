"""Every encoder in every file that takes it, through decoders that are not this package's.

Makes a short video of each, and says for each decoder how many frames are, sample for
sample in luma, those of the decoder in PyAV; `strict` is what ffprobe complains of. A command that
is not installed is left out. In Debian: ffmpeg, dav1d, vpx-tools, libde265-examples; openh264 in
gstreamer1.0-plugins-bad, with gstreamer1.0-tools.

    python ci/file_matrix.py [FOLDER]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/video"))

from numbered_video import HEIGHT, WIDTH, encode_parts, luma_of

from musetalk_fast.config import OutputSettings
from musetalk_fast.types import BT709
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS, ContainerFormat
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.mux import join

ROOT = Path(__file__).parents[1]
FPS = Fraction(30000, 1001)
FRAMES = (26, 1, 9)
_LUMA = WIDTH * HEIGHT


def make(folder: Path, codec: str, container: ContainerFormat) -> Path:
    """A video of 36 frames."""
    output = folder / f"{codec}{container.suffix}"
    settings = OutputSettings(codec=codec)
    encoder = replace(resolve(settings, output, WIDTH, HEIGHT, FPS, BT709), threads=2)
    parts = folder / f"{codec}-{container.name}"
    parts.mkdir()
    made = encode_parts(parts, encoder, FPS, FRAMES)
    join(made, output, sound=None, fps=FPS, encoder=encoder, metadata={})
    return output


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


def _elementary(path: Path, suffix: str) -> str:
    stream = str(path.with_name(f"{path.stem}-{path.suffix[1:]}{suffix}"))
    copied = ("-map", "0:v", "-c", "copy", "-y", stream)
    _run("ffmpeg", "-v", "error", "-i", str(path), *copied)
    return stream


def ffmpeg(path: Path) -> bytes:
    """Debian's, which fails at the first thing that is not as it should be."""
    strict = ("-xerror", "-err_detect", "explode")
    raw = ("-an", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    return _run("ffmpeg", "-v", "error", *strict, "-i", str(path), *raw)


def dav1d(path: Path) -> bytes:
    """AV1, from its authors' own command."""
    return _run("dav1d", "-q", "-i", _elementary(path, ".ivf"), "--muxer", "yuv", "-o", "-")


def vpxdec(path: Path) -> bytes:
    """VP9."""
    return _run("vpxdec", "--i420", "--rawvideo", "-o", "-", _elementary(path, ".ivf"))


def dec265(path: Path) -> bytes:
    """HEVC, by libde265."""
    raw = path.with_suffix(".yuv")
    _run("dec265", "-q", "-o", str(raw), _elementary(path, ".hevc"))
    return raw.read_bytes()


def openh264(path: Path) -> bytes:
    """H.264."""
    raw = path.with_suffix(".yuv")
    source = f"filesrc location={_elementary(path, '.h264')} ! h264parse ! openh264dec"
    _run("gst-launch-1.0", "-q", *f"{source} ! filesink location={raw}".split())
    return raw.read_bytes()


DECODERS: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "av1": ("dav1d", dav1d),
    "vp9": ("vpxdec", vpxdec),
    "hevc": ("dec265", dec265),
    "h264": ("gst-launch-1.0", openh264),
}


def equal(path: Path, raw: bytes) -> int:
    """How many frames have the luma that PyAV's decoder shows."""
    count = 0
    with av.open(str(path)) as container:
        shown = [luma_of(frame) for frame in container.decode(video=0)]
    size = len(raw) // len(shown)
    for number, luma in enumerate(shown):
        theirs = np.frombuffer(raw, luma.dtype, _LUMA, number * size)
        count += np.array_equal(theirs.reshape(luma.shape), luma)
    return count


def attempt(command: str, decode: Callable[[Path], bytes], path: Path) -> str:
    """A cell of the table."""
    if shutil.which(command) is None:
        return "not installed"
    try:
        return f"{equal(path, decode(path))} of {sum(FRAMES)}"
    except (subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        return f"failed: {said.decode(errors='replace').strip()[:60]}"


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/file-matrix")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print("| encoder | file | strict | ffmpeg | another |\n|---|---|---|---|---|")
    for codec in (each for each in CODECS.values() if each.in_software):
        for container in CONTAINERS.values():
            if codec.family not in container.families or container.pictures is not None:
                continue
            path = make(folder, codec.name, container)
            probe = ("ffprobe", "-v", "warning", "-strict", "strict", "-count_frames", str(path))
            done = subprocess.run(probe, check=False, capture_output=True, text=True, timeout=120)
            name, decode = DECODERS.get(codec.family, ("", ffmpeg))
            other = f"{name}: {attempt(name, decode, path)}" if name else "none is known"
            cells = codec.name, container.suffix, done.stderr.strip() or "clean"
            debian = attempt("ffmpeg", ffmpeg, path)
            print(f"| {' | '.join(cells)} | {debian} | {other} |", flush=True)


if __name__ == "__main__":
    main()
