"""The folder with a job's files, for one of the farms' engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from musetalk_fast.errors import OutputPlaceError, UsageError
from musetalk_fast.farming.cue_commands import cue_commands
from musetalk_fast.farming.farm_job import FarmJob, FarmOptions, File
from musetalk_fast.farming.openjd_template import job_template
from musetalk_fast.farming.slurm_scripts import slurm_scripts
from musetalk_fast.storage import AtomicFile, write_errors

SETTINGS_FILE = "settings.toml"

Exporter = Callable[[FarmJob, FarmOptions, Path], Mapping[str, str]]
"""(job, options, settings file) -> the bundle's files by name."""


def write_bundle(
    folder: Path, to: str, job: FarmJob, options: FarmOptions, settings: str
) -> list[Path]:
    """Write the files of a job; the folder is made if it is not there.

    Args:
        to: a key of `EXPORTERS`.
        settings: content of the settings file.

    Raises:
        errors.OutputPlaceError: the folder holds other files.
        errors.OutputWriteError: it cannot be written.
        errors.UsageError: what writes such files is not installed, or they cannot name a path.
    """
    folder = folder.absolute()
    _check_names(to, [*(file.path for file in job.files), folder])
    files = {SETTINGS_FILE: settings, **EXPORTERS[to](job, options, folder / SETTINGS_FILE)}
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted({each.name for each in folder.iterdir()} - files.keys())
    if others:
        raise OutputPlaceError(
            f"the folder holds other files: {', '.join(others[:3])}",
            where=str(folder),
            hint="give --bundle a folder of its own",
        )
    return [_write(folder / name, text) for name, text in files.items()]


def _check_names(to: str, paths: Sequence[Path]) -> None:
    """Scripts may have any bytes in them, other files are text."""
    for path in paths if to != "slurm" else ():
        try:
            str(path).encode()
        except UnicodeEncodeError:
            message = f"a name that is not UTF-8 cannot be written for {to}"
            hint = "rename the file or its folder"
            raise UsageError(message, where=str(path), hint=hint) from None


def _write(path: Path, text: str) -> Path:
    mode = 0o777 if path.suffix == ".sh" else 0o666
    with AtomicFile(path, mode=mode) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.commit()
    return path


def _openjd(job: FarmJob, options: FarmOptions, settings: Path) -> dict[str, str]:
    config = File("Settings", settings)
    named = [{"name": file.name, "value": str(file.path)} for file in (*job.files, config)]
    return {
        "template.yaml": _yaml(job_template(job, options, config)),
        "parameter_values.yaml": _yaml({"parameterValues": named}),
        "asset_references.yaml": _yaml({"assetReferences": _assets((*job.files, config))}),
    }


def _assets(files: Sequence[File]) -> dict[str, Any]:
    inputs = [file for file in files if not file.is_output]
    outputs = [file for file in files if file.is_output]
    folders = {str(file.path if file.is_folder else file.path.parent) for file in outputs}
    return {
        "inputs": {
            "filenames": [str(file.path) for file in inputs if not file.is_folder],
            "directories": [str(file.path) for file in inputs if file.is_folder],
        },
        "outputs": {"directories": sorted(folders)},
    }


def _yaml(document: dict[str, Any]) -> str:
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "writing Open Job Description needs PyYAML", hint="pip install 'musetalk-fast[openjd]'"
        ) from None

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Writes scripts as people do, line by line."""

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    return written


def _slurm(job: FarmJob, options: FarmOptions, settings: Path) -> dict[str, str]:
    return slurm_scripts(job, options, str(settings))


def _cue(job: FarmJob, options: FarmOptions, settings: Path) -> dict[str, str]:  # noqa: ARG001
    return cue_commands(job, str(settings))


EXPORTERS: Mapping[str, Exporter] = {"openjd": _openjd, "slurm": _slurm, "cuecmd": _cue}
"""The engines that jobs can be written for."""
