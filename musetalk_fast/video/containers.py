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
        name: as in `--format`; FFmpeg's name of its muxer, too.
        suffix: of its files.
        families: kinds of video it takes.
        encoder: FFmpeg's name of the encoder that is used if none was chosen.
        sound_encoder: likewise, of the sound track.
        muxer_options: FFmpeg's options of the muxer.
    """

    name: str
    suffix: str
    families: tuple[str, ...]
    encoder: str
    sound_encoder: str
    muxer_options: tuple[tuple[str, str], ...] = ()


CONTAINERS = {
    known.name: known
    for known in (
        # faststart: the index before the pictures, so that a player on the web starts at once.
        ContainerFormat(
            *(Container.MP4.value, ".mp4", ("h264", "hevc", "av1"), "libx264", "aac"),
            muxer_options=(("movflags", "+faststart"),),
        ),
        ContainerFormat(Container.WEBM.value, ".webm", ("vp9", "av1"), "libvpx-vp9", "libopus"),
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
        if name is None and suffix == known.suffix:
            return known
    suffixes = " or ".join(known.suffix for known in CONTAINERS.values())
    message = (
        f"unknown format {name!r}; it is {' or '.join(CONTAINERS)}"
        if name is not None
        else f"the name does not say what to write: it ends in {suffix!r}, not in {suffixes}"
    )
    raise OutputFormatError(message, where=str(output))
