"""Pairs avatars with recordings by name, and explains what has no partner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from musetalk_fast.batching.batch_job import Job, Jobs
from musetalk_fast.batching.found_files import FoundFile
from musetalk_fast.config import Settings

PICTURES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"}
)
RECORDINGS = frozenset(
    {".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff"}
)

VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
"""An avatar where a recording has its name; where only a picture has it, a recording."""


@dataclass(slots=True)
class _Group:
    """The files of one base name, by what they can be."""

    pictures: list[FoundFile] = field(default_factory=list)
    recordings: list[FoundFile] = field(default_factory=list)
    videos: list[FoundFile] = field(default_factory=list)

    def forget(self, output: Path) -> None:
        """The video that an earlier batch made beside its inputs is none of them."""
        others = [each for each in self.videos if each.path.absolute() != output.absolute()]
        if self.recordings and (self.pictures or others):
            self.videos = others

    def avatars(self) -> list[FoundFile]:
        return self.pictures or (self.videos if self.recordings else [])

    def sounds(self) -> list[FoundFile]:
        return self.recordings or (self.videos if self.pictures else [])


def pair(
    found: Sequence[FoundFile],
    outputs: Path,
    suffix: str,
    settings: Settings,
    avatar: Path | None = None,
) -> Jobs:
    """Pair avatars and recordings by base name.

    Args:
        outputs: where `<base name><suffix>` shall be written.
        avatar: the avatar of all recordings; pictures are then left alone.
    """
    groups = _grouped(found, pictures=avatar is None)
    jobs: list[Job] = []
    clashing: dict[str, str] = {}
    for base, group in sorted(groups.items()):
        output = outputs / f"{base}{suffix}"
        group.forget(output)
        avatars, sounds = group.avatars(), group.sounds()
        if len(sounds) != 1 or (avatar is None and len(avatars) != 1):
            continue
        face, sound = avatar or avatars[0].path, sounds[0].path
        if output.absolute() in (face.absolute(), sound.absolute()):
            clashing[base] = output.name
        else:
            jobs.append(Job(base, face, sound, output, settings))
    left_over = _LeftOver(groups, clashing, all_have_avatar=avatar is not None)
    return Jobs(tuple(jobs), tuple(left_over.lines(found, jobs)))


def _grouped(found: Iterable[FoundFile], *, pictures: bool) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for file in found:
        group = groups.setdefault(file.base, _Group())
        if file.suffix in PICTURES and pictures:
            group.pictures.append(file)
        elif file.suffix in RECORDINGS:
            group.recordings.append(file)
        elif file.suffix in VIDEOS:
            group.videos.append(file)
    return groups


class _LeftOver:
    """Says why a file is in no job."""

    def __init__(
        self, groups: Mapping[str, _Group], clashing: Mapping[str, str], *, all_have_avatar: bool
    ) -> None:
        self._groups = groups
        self._clashing = clashing
        self._all_have_avatar = all_have_avatar

    def lines(self, found: Iterable[FoundFile], jobs: Iterable[Job]) -> list[str]:
        """`b.png: no recording is named b`, of each file that no job reads or writes."""
        used = {path for job in jobs for path in (job.avatar, job.audio)}
        made = {job.output.absolute() for job in jobs}
        return [
            f"{file.shown}: {self._reason(file)}"
            for file in found
            if file.path not in used and file.path.absolute() not in made
        ]

    def _reason(self, file: FoundFile) -> str:
        kind, group = file.suffix, self._groups[file.base]
        if kind in PICTURES and self._all_have_avatar:
            return "not used: one avatar was given for all"
        if kind in VIDEOS and self._all_have_avatar and group.sounds() == []:
            return "not used: a video needs a picture of its name"
        if kind not in PICTURES | RECORDINGS | VIDEOS:
            return "neither a picture nor a recording"
        return self._lacks(group, file)

    def _lacks(self, group: _Group, file: FoundFile) -> str:
        avatars, sounds = group.avatars(), group.sounds()
        name = Path(file.base).name
        if not sounds:
            return f"no recording is named {name}"
        if not avatars and not self._all_have_avatar:
            return f"no picture or video is named {name}"
        for what, alike in (("avatar", avatars), ("recording", sounds)):
            if len(alike) > 1 and not (what == "avatar" and self._all_have_avatar):
                names = ", ".join(each.path.name for each in alike)
                return f"more than one {what} is named {name}: {names}"
        if file.base in self._clashing:
            return (
                f"the video would take the place of {self._clashing[file.base]}: choose another "
                "folder for the videos"
            )
        if file in avatars or (file.suffix in VIDEOS and group.pictures):
            return f"not used: the recording is {sounds[0].path.name}"
        return f"not used: the avatar is {avatars[0].path.name}"
