"""Archives of which the same files give the same bytes."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

_DEFAULT_TIME = 315_532_800
"""1980-01-01, the first day that a ZIP, and so a wheel, can say."""


def write_archive(archive: Path, folder: Path) -> None:
    """Write a folder as .tar.gz: in the order of names, nobody's, of SOURCE_DATE_EPOCH.

    Args:
        folder: its own name is the first part of all names.
    """
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", _DEFAULT_TIME))

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = seconds
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as made,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            name = path.relative_to(folder.parent).as_posix()
            made.add(path, name, recursive=False, filter=plain)
