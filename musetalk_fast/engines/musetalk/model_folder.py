"""The folder of the weights, in MuseTalk's usual layout.

models/
  musetalkV15/  unet.pth (or unet.safetensors), musetalk.json        MuseTalk 1.5
  musetalk/     pytorch_model.bin (or .safetensors), musetalk.json   MuseTalk 1.0
  sd-vae/       diffusion_pytorch_model.bin (or .safetensors), config.json
  whisper/      pytorch_model.bin (or model.safetensors), config.json
  taesd/        diffusion_pytorch_model.safetensors, or taesd_decoder.safetensors or .pth: drafts
  face-parse-bisent/  79999_iter.pth (or .safetensors): masks, where it is there
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from musetalk_fast.engines.musetalk.file_status import (
    cannot_be_read,
    is_file,
    is_folder,
    status_of,
)
from musetalk_fast.errors import WeightsFormatError, WeightsMissingError

_LOG = logging.getLogger(__name__)
_LFS_MARK = b"version https://git-lfs"
_LEAST_BYTES = 16


class ModelVersion(StrEnum):
    """Which MuseTalk: both have one architecture, so that only their place and numbers differ."""

    V15 = "1.5"
    V10 = "1.0"


_UNET_FOLDERS = {ModelVersion.V15: "musetalkV15", ModelVersion.V10: "musetalk"}
_UNET_FILES = {
    ModelVersion.V15: ("unet.safetensors", "unet.pth"),
    ModelVersion.V10: ("pytorch_model.safetensors", "pytorch_model.bin"),
}
_VAE_FOLDERS = ("sd-vae", "sd-vae-ft-mse")
_VAE_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_WHISPER_FILES = ("model.safetensors", "pytorch_model.bin")
_DRAFT_FILES = (
    *("diffusion_pytorch_model.safetensors", "taesd_decoder.safetensors"),
    *("diffusion_pytorch_model.bin", "taesd_decoder.pth"),
)
_DRAFT_HINT = "get it with `musetalk-fast models pull --draft`, or leave out --draft"
_PARSER_FILES = ("79999_iter.safetensors", "79999_iter.pth")
_PARSER_HINT = (
    "get it with `musetalk-fast models pull --face-parser`, or leave out --mask: masks are then "
    "made of the mesh"
)
_UNET_CONFIGS = ("musetalk.json", "config.json")


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """One network.

    Attributes:
        config: None: there is none, and it is as published.
    """

    weights: Path
    config: Path | None


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """All that one engine loads.

    Attributes:
        draft: of the decoder of drafts, TAESD; None: crops are no drafts.
        parser: of the face parser, BiSeNet; None: masks are made of the mesh.
    """

    version: ModelVersion
    unet: NetworkFiles
    vae: NetworkFiles
    whisper: NetworkFiles
    draft: NetworkFiles | None = None
    parser: NetworkFiles | None = None


def default_models_dir() -> Path:
    """Where weights are looked for if no folder is named."""
    import platformdirs

    return Path(platformdirs.user_data_dir("musetalk-fast")) / "models"


def find_models(
    folder: Path,
    version: ModelVersion | None = None,
    *,
    with_draft: bool = False,
    with_parser: bool | None = False,
) -> ModelFiles:
    """The files of a models folder; nothing of them is read but their beginning.

    Args:
        folder: in MuseTalk's usual layout.
        version: None: 1.5 if it is there, else 1.0.
        with_draft: the decoder of drafts is wanted, too.
        with_parser: so is the face parser; None: if it is there.

    Raises:
        errors.WeightsMissingError: a file is not there (all that are missing are named), or
            cannot be read.
        errors.WeightsFormatError: a file is empty, or a pointer of Git LFS instead of the weights.
    """
    if not is_folder(folder):
        raise WeightsMissingError("there is no such folder of weights", where=str(folder))
    version = version or _version_in(folder)
    unet = _network([folder / _UNET_FOLDERS[version]], _UNET_FILES[version], _UNET_CONFIGS)
    vae = _network([folder / each for each in _VAE_FOLDERS], _VAE_FILES)
    whisper = _network([folder / "whisper"], _WHISPER_FILES)
    draft = _network([folder / "taesd"], _DRAFT_FILES) if with_draft else None
    parser = None
    if with_parser is not False:
        parser = _network([folder / "face-parse-bisent"], _PARSER_FILES)
        if with_parser is None and isinstance(parser, Path):
            parser = None
    missing = [each for each in (unet, vae, whisper, draft, parser) if isinstance(each, Path)]
    if missing:
        names = ", ".join(f"{each.relative_to(folder)}{_instead(each)}" for each in missing)
        hints = {draft: _DRAFT_HINT, parser: _PARSER_HINT}
        hint = hints.get(missing[0]) if len(missing) == 1 else None
        raise WeightsMissingError(f"missing weights: {names}", where=str(folder), hint=hint)
    assert isinstance(unet, NetworkFiles)
    assert isinstance(vae, NetworkFiles)
    assert isinstance(whisper, NetworkFiles)
    assert not isinstance(draft, Path)
    assert not isinstance(parser, Path)
    return ModelFiles(version, unet, vae, whisper, draft, parser)


def _version_in(folder: Path) -> ModelVersion:
    for version, name in _UNET_FOLDERS.items():
        if any(is_file(folder / name / file) for file in _UNET_FILES[version]):
            if version is not ModelVersion.V15:
                _LOG.warning("%s holds MuseTalk %s, not %s", folder, version, ModelVersion.V15)
            return version
    return ModelVersion.V15


def _network(
    folders: list[Path], files: tuple[str, ...], configs: tuple[str, ...] = ("config.json",)
) -> NetworkFiles | Path:
    """The files of a network, or the path of the one that is missing."""
    for folder in folders:
        for number, name in enumerate(files, 1):
            path = folder / name
            if is_file(path):
                _check_start(path)
                _warn_of_newer(path, files[number:])
                config = next((folder / each for each in configs if is_file(folder / each)), None)
                return NetworkFiles(path, config)
    return folders[0] / files[-1]


def _warn_of_newer(path: Path, others: tuple[str, ...]) -> None:
    """Say that a file is read although one that it would have been made of came after it."""
    for other in (path.with_name(name) for name in others):
        if is_file(other) and _changed_at(other) > _changed_at(path):
            _LOG.warning("%s is read, and not %s, which is newer", path, other.name)


def _changed_at(path: Path) -> float:
    status = status_of(path)
    return status.st_mtime if status is not None else 0.0


def _instead(path: Path) -> str:
    """What is in place of a file, in brackets; empty if nothing is."""
    if is_folder(path):
        return " (a folder is there)"
    if status_of(path) is not None:
        return " (no regular file is there)"
    return " (a link is there that leads nowhere)" if path.is_symlink() else ""


def _check_start(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_MARK))
    except OSError as error:
        raise cannot_be_read(path, error) from error
    if start == _LFS_MARK:
        raise WeightsFormatError(
            "a pointer of Git LFS, not the weights themselves",
            where=str(path),
            hint="get the file itself, with `git lfs pull` in its repository",
        )
    if len(start) < _LEAST_BYTES:
        raise WeightsFormatError("empty, or cut after a few bytes", where=str(path))
