"""The containers of finished videos: what goes into them, and how a file's name chooses one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from musetalk_fast.errors import OutputFormatError
from musetalk_fast.types import Container, Sound
from musetalk_fast.video.frame_names import FrameNames


@dataclass(frozen=True, slots=True)
class ContainerFormat:
    """A container.

    Attributes:
        name: as in `--format`.
        muxer: FFmpeg's name.
        suffixes: of its files; the first is its own.
        families: kinds of video it takes.
        encoder: FFmpeg's name of the encoder that is used if none was chosen.
        sounds: codecs of sound tracks that it takes and players know, by FFmpeg's names; the first
            that we encode is what is encoded if nothing else was asked for; none: it has no
            sound.
        muxer_options: FFmpeg's options of the muxer.
        tags: how kinds of video are called in it, where FFmpeg's own choice is not what players
            know.
        takes_alpha: whether its pictures can be transparent.
        pictures: what makes its pictures of the parts' frames when these are joined: FFmpeg's name
            of an encoder, `jpeg`, or one of `raw_video.RAW`; None: parts are copied.
        is_sequence: it is a folder with a file for each frame.
        piped_options: FFmpeg's options of the muxer where the output is a pipe; None: it cannot be.
        most_fps: frames a second that players show; they slow down more.
        longest_side: pixels; None: as long as ours.
        most_pixels: of all frames together; what is encoded of them is in memory until the end.
        needs_delay: its header says how much of the first packets of sound is not heard (in others
            an edit list does).
    """

    name: str
    muxer: str
    suffixes: tuple[str, ...]
    families: tuple[str, ...]
    encoder: str
    sounds: tuple[str, ...]
    muxer_options: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    takes_alpha: bool = True
    pictures: str | None = None
    is_sequence: bool = False
    piped_options: tuple[tuple[str, str], ...] | None = None
    most_fps: int | None = None
    longest_side: int | None = None
    most_pixels: int | None = None
    needs_delay: bool = False

    @property
    def suffix(self) -> str:
        """Of its files."""
        return self.suffixes[0]


_FASTSTART = (("movflags", "+faststart"),)
"""The index before the pictures, so that a player on the web starts at once."""
_APPLE = (("hevc", "hvc1"),)
"""Apple's players know HEVC by this name only."""
_FRAGMENTS = (
    ("movflags", "+frag_keyframe+delay_moov+default_base_moof"),
    ("frag_duration", "1000000"),
)
"""An index for every second (of a million parts), so that none has to be written at the front."""
_LOSSLESS: tuple[tuple[str, ...], str, tuple[str, ...]] = (("ffv1",), "ffv1", ())
"""What pictures are made of."""
_FOR_EVER = (("loop", "0"),)
"""Moving pictures are played over and over, as they are everywhere."""

SOUND_ENCODERS = {Sound.AAC: "aac", Sound.OPUS: "libopus", Sound.FLAC: "flac"}
"""FFmpeg's encoder of each kind of sound that we encode."""

_PCM = ("pcm_s16le", "pcm_s24le")
_MP4_SOUNDS = ("aac", "mp3", "opus", "flac", "alac", "ac3", "eac3")
_MOV_SOUNDS = ("aac", "mp3", "alac", "ac3", *_PCM)
_MKV_SOUNDS = ("opus", "aac", "mp3", "flac", "vorbis", "alac", "ac3", "eac3", *_PCM)

_MKV_VIDEOS = ("h264", "hevc", "av1", "vp9", "prores", "ffv1")

CONTAINERS = {
    known.name: known
    for known in (
        ContainerFormat(
            *(Container.MP4.value, "mp4", (".mp4", ".m4v"), ("h264", "hevc", "av1"), "libx264"),
            _MP4_SOUNDS,
            muxer_options=_FASTSTART,
            tags=_APPLE,
            piped_options=_FRAGMENTS,
        ),
        ContainerFormat(
            *(Container.MOV.value, "mov", (".mov",), ("h264", "hevc", "prores"), "libx264"),
            _MOV_SOUNDS,
            muxer_options=_FASTSTART,
            tags=_APPLE,
            piped_options=_FRAGMENTS,
        ),
        ContainerFormat(
            *(Container.WEBM.value, "webm", (".webm",), ("vp9", "av1"), "libvpx-vp9"),
            ("opus", "vorbis"),
            needs_delay=True,
            piped_options=(),
        ),
        ContainerFormat(
            *(Container.MKV.value, "matroska", (".mkv",), _MKV_VIDEOS, "libx264"),
            _MKV_SOUNDS,
            needs_delay=True,
            piped_options=(),
        ),
        # Browsers show a picture that is to be seen for a hundredth of a second, the shortest time
        # in GIF, ten times as long.
        ContainerFormat(
            *(Container.GIF.value, "gif", (".gif",), *_LOSSLESS, _FOR_EVER),
            pictures="gif",
            most_fps=50,
        ),
        ContainerFormat(
            *(Container.WEBP.value, "webp", (".webp",), *_LOSSLESS, _FOR_EVER),
            pictures="libwebp_anim",
            most_fps=90,
            longest_side=16_383,
            most_pixels=1 << 32,
        ),
        ContainerFormat(
            *(Container.APNG.value, "apng", (".apng",), *_LOSSLESS, (("plays", "0"),)),
            pictures="apng",
            most_fps=90,
        ),
        ContainerFormat(
            *(Container.PNG.value, "image2", (".png",), *_LOSSLESS),
            pictures="png",
            is_sequence=True,
        ),
        ContainerFormat(
            *(Container.JPEG.value, "image2", (".jpg", ".jpeg"), *_LOSSLESS),
            takes_alpha=False,
            pictures="jpeg",
            is_sequence=True,
        ),
        *(
            ContainerFormat(
                *(name, name, (f".{name}",), *_LOSSLESS),
                takes_alpha=False,
                pictures=name,
                piped_options=(),
            )
            for name in (Container.Y4M.value, Container.RGB.value)
        ),
    )
}


def container_of(output: Path, name: str | None) -> ContainerFormat:
    """The container of an output.

    Args:
        output: the file to write; of a sequence, such as `frames/%06d.png`.
        name: what was asked for; None: by the file's name.

    Raises:
        errors.OutputFormatError: no such container, or a sequence without a place for the number.
    """
    known = _named(output, name)
    if known.is_sequence and FrameNames.parse(output.name) is None:
        suffix = output.suffix or known.suffix
        hint = f"name them with a number, such as {output.stem or 'frames'}/%06d{suffix}"
        if known.name == Container.PNG:
            hint += "; a moving picture in one file is .apng, .webp or .gif"
        message = f"{known.name} is a file for each frame: where in its name is the number?"
        raise OutputFormatError(message, where=str(output), hint=hint)
    return known


def _named(output: Path, name: str | None) -> ContainerFormat:
    if name is not None and name in CONTAINERS:
        return CONTAINERS[name]
    suffix = output.suffix.lower()
    for known in CONTAINERS.values():
        if name is None and suffix in known.suffixes:
            return known
    suffixes = ", ".join(suffix for known in CONTAINERS.values() for suffix in known.suffixes)
    message = (
        f"unknown format {name!r}; it is one of {', '.join(CONTAINERS)}"
        if name is not None
        else f"the name does not say what to write: it ends in {suffix!r}, not in one of {suffixes}"
    )
    raise OutputFormatError(message, where=str(output))


def check_pictures(
    known: ContainerFormat, width: int, height: int, frames: int, fps: Fraction
) -> None:
    """Refuse more than the pictures of a container can be.

    Raises:
        errors.OutputFormatError: too many frames a second, too large, or too many pixels in all.
    """
    if known.most_fps is not None and fps > known.most_fps:
        message = f"{float(fps):.5g} frames a second; players show at most {known.most_fps} of them"
        raise OutputFormatError(message, where=known.name, hint=f"--fps {known.most_fps // 2}")
    if known.longest_side is not None and max(width, height) > known.longest_side:
        message = f"{width}x{height} pixels; a side has at most {known.longest_side}"
        raise OutputFormatError(message, where=known.name, hint="scale it down with --max-side")
    pixels = width * height * frames
    if known.most_pixels is not None and pixels > known.most_pixels:
        most = known.most_pixels // (width * height)
        raise OutputFormatError(
            f"{frames} frames of {width}x{height}; it is made in memory, and has at most {most}",
            where=known.name,
            hint="scale it down with --max-side, or write .apng or .webm",
        )


def frame_names(output: Path, name: str | None) -> FrameNames | None:
    """How the files of a sequence are named; None for an output that is one file.

    Raises:
        errors.OutputFormatError: as `container_of`.
    """
    return FrameNames.parse(output.name) if container_of(output, name).is_sequence else None


def place_of(output: Path, name: str | None) -> Path:
    """What appears when the video is finished: the output, or the folder of a sequence.

    Raises:
        errors.OutputFormatError: as `container_of`.
    """
    return output if frame_names(output, name) is None else output.parent
