"""What was pulled into a models folder, and what was made of it: kept in a folder of ours in it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from musetalk_fast.engines.musetalk.file_status import cannot_be_read
from musetalk_fast.errors import OutputPlaceError, WeightsFormatError
from musetalk_fast.storage import AtomicFile, open_regular

OWN_FOLDER = ".musetalk-fast"
"""Inside a models folder: record and lock."""

_RECORD = "pulled.json"
_MAX_BYTES = 1 << 20
_MAX_FILES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A file that was compared with what the hub says of it, or made of one.

    Attributes:
        name: its path in the models folder.
        size: bytes.
        sha256: of its content, in hexadecimal.
        origin: `OWNER/NAME@COMMIT`; of a converted file the name of the one it was made of.
        etag: what the hub said: SHA-256, or the name of the Git blob; of a converted file the
            SHA-256 of the one it was made of.
    """

    name: str
    size: int
    sha256: str
    origin: str
    etag: str


def read_record(folder: Path) -> dict[str, RecordedFile]:
    """What is recorded of a models folder, by name; empty if nothing is.

    Raises:
        errors.WeightsFormatError: the record is damaged, or no file.
        errors.WeightsMissingError: it cannot be read.
    """
    path = folder / OWN_FOLDER / _RECORD
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        entries = json.loads(data)["files"]
        found = [RecordedFile(**entry) for entry in entries]
        if len(found) > _MAX_FILES or not all(map(_is_sound, found)):
            raise ValueError("entries that cannot be")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise cannot_be_read(path, error) from error
    except (ValueError, TypeError, KeyError, RecursionError, OutputPlaceError) as error:
        raise WeightsFormatError(
            f"no record of a pull: {error}",
            where=str(path),
            hint="remove it: `musetalk-fast models pull` makes a new one of the files that are "
            "there",
        ) from error
    return {entry.name: entry for entry in found}


def write_record(folder: Path, files: dict[str, RecordedFile]) -> None:
    """Replace the record; the folder of ours is there.

    Raises:
        errors.OutputWriteError: it cannot be written.
    """
    entries = [asdict(files[name]) for name in sorted(files)]
    with AtomicFile(folder / OWN_FOLDER / _RECORD) as file:
        file.write(json.dumps({"files": entries}, indent=1).encode())
        file.commit()


def _is_sound(entry: RecordedFile) -> bool:
    texts = (entry.name, entry.sha256, entry.origin, entry.etag)
    if not all(isinstance(each, str) for each in texts) or not isinstance(entry.size, int):
        return False
    path = Path(entry.name)
    return not path.is_absolute() and ".." not in path.parts and entry.size >= 0
