"""The containers of finished videos: what goes into them, and how a file's name chooses one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import OutputFormatError
from musetalk_fast.types import Container


@dataclass(frozen=True, slots=True)
class ContainerFormat:
    """A container.

    Attributes:
        name: as in `--format`.
        muxer: FFmpeg's name.
        suffixes: of its files; the first is its own.
        families: kinds of video it takes.
        encoder: FFmpeg's name of the encoder that is used if none was chosen.
        sound_encoder: likewise, of the sound track.
        muxer_options: FFmpeg's options of the muxer.
        tags: how kinds of video are called in it, where FFmpeg's own choice is not what players
            know.
    """

    name: str
    muxer: str
    suffixes: tuple[str, ...]
    families: tuple[str, ...]
    encoder: str
    sound_encoder: str
    muxer_options: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def suffix(self) -> str:
        """Of its files."""
        return self.suffixes[0]


_FASTSTART = (("movflags", "+faststart"),)
"""The index before the pictures, so that a player on the web starts at once."""
_APPLE = (("hevc", "hvc1"),)
"""Apple's players know HEVC by this name only."""

CONTAINERS = {
    known.name: known
    for known in (
        ContainerFormat(
            *(Container.MP4.value, "mp4", (".mp4", ".m4v"), ("h264", "hevc", "av1")),
            *("libx264", "aac", _FASTSTART, _APPLE),
        ),
        ContainerFormat(
            *(Container.MOV.value, "mov", (".mov",), ("h264", "hevc", "prores")),
            *("libx264", "aac", _FASTSTART, _APPLE),
        ),
        ContainerFormat(
            *(Container.WEBM.value, "webm", (".webm",), ("vp9", "av1"), "libvpx-vp9", "libopus"),
        ),
        ContainerFormat(
            *(Container.MKV.value, "matroska", (".mkv",)),
            *(("h264", "hevc", "av1", "vp9", "prores", "ffv1"), "libx264", "libopus"),
        ),
    )
}


def container_of(output: Path, name: str | None) -> ContainerFormat:
    """The container of an output.

    Args:
        output: the file to write.
        name: what was asked for; None: by the file's name.

    Raises:
        errors.OutputFormatError: no such container.
    """
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
