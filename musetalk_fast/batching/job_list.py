"""Which files of a folder belong together, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import InputNotFoundError, InputUnreadableError

PICTURES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"}
)
RECORDINGS = frozenset(
    {".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff"}
)

VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
"""Their sound is a recording if a picture has their name, and no recording has it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One video of a batch; its name is the base name of its recording."""

    name: str
    avatar: Path
    audio: Path
    output: Path


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a folder holds.

    Attributes:
        jobs: sorted by name.
        left_over: files that belong to no job, each with the reason, sorted.
    """

    jobs: tuple[Job, ...]
    left_over: tuple[str, ...]


def pair(inputs: Path, outputs: Path, suffix: str, avatar: Path | None = None) -> Pairing:
    """Pair the pictures and recordings of a folder by base name.

    Args:
        inputs: the folder; what is below its folders is not looked at, nor hidden files.
        outputs: where `<base name><suffix>` shall be written.
        avatar: the avatar of all recordings; the folder's pictures are then left alone.

    Raises:
        errors.InputNotFoundError: no such folder, or nothing in it pairs up.
        errors.InputUnreadableError: it cannot be listed.
    """
    files = _listed(inputs)
    pictures = {} if avatar else _by_base(files, PICTURES)
    recordings = _by_base(files, RECORDINGS)
    videos = _by_base(files, VIDEOS)
    sounds = {base: videos[base] for base in pictures.keys() & videos.keys()} | recordings
    jobs = tuple(
        Job(base, avatar or pictures[base][0], audios[0], outputs / f"{base}{suffix}")
        for base, audios in sorted(sounds.items())
        if len(audios) == 1 and (avatar or len(pictures.get(base, ())) == 1)
        if audios[0].absolute() != (outputs / f"{base}{suffix}").absolute()
    )
    left_over = tuple(_left_over(files, jobs, pictures, sounds, all_have_avatar=bool(avatar)))
    if not jobs:
        raise InputNotFoundError(
            "nothing to render: " + ("; ".join(left_over[:5]) or "the folder is empty"),
            where=str(inputs),
            hint="name a picture and its recording alike (anna.png, anna.wav), or give one "
            "--avatar FILE for all recordings",
        )
    return Pairing(jobs, left_over)


def _listed(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        raise InputNotFoundError("no such folder", where=str(folder)) from None
    except OSError as error:
        raise InputUnreadableError(
            f"cannot be listed: {error.strerror}",
            where=str(folder),
            hint="give a folder of pictures and recordings",
        ) from error
    return [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")]


def _by_base(files: Iterable[Path], suffixes: frozenset[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix.lower() in suffixes:
            found.setdefault(file.stem, []).append(file)
    return found


_Found = dict[str, list[Path]]


def _left_over(
    files: Iterable[Path],
    jobs: Iterable[Job],
    pictures: _Found,
    sounds: _Found,
    *,
    all_have_avatar: bool,
) -> list[str]:
    used = {path for job in jobs for path in (job.avatar, job.audio)}
    return [
        f"{file.name}: {_reason(file, pictures, sounds, all_have_avatar=all_have_avatar)}"
        for file in files
        if file not in used
    ]


def _reason(file: Path, pictures: _Found, sounds: _Found, *, all_have_avatar: bool) -> str:
    """Why a file is in no job."""
    kind, base = file.suffix.lower(), file.stem
    if kind in PICTURES and all_have_avatar:
        return "not used: one avatar was given for all"
    if kind in VIDEOS and all_have_avatar and base not in sounds:
        return "not used: a video needs a picture of its name"
    if kind not in PICTURES | RECORDINGS | VIDEOS:
        return "neither a picture nor a recording"
    for what, alike in (("picture", pictures.get(base)), ("recording", sounds.get(base))):
        if what == "picture" and all_have_avatar:
            continue
        if not alike:
            return f"no {what} is named {base}"
        if len(alike) > 1:
            names = ", ".join(each.name for each in alike)
            return f"more than one {what} is named {base}: {names}"
    sound = sounds[base][0]
    if kind in VIDEOS and file != sound:
        return f"not used: the recording is {sound.name}"
    return f"the video would take the place of {sound.name}: choose another folder for the videos"
