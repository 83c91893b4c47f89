"""What setuptools does otherwise for this package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.sdist import sdist
from setuptools.dist import Distribution

from build_steps.reproducible_archive import write_archive
from build_steps.sbom import FILE_NAME, sbom

_BUILD = Distribution().get_command_class("build")
_INSTALL_DATA = Distribution().get_command_class("install_data")
ROOT = Path(__file__).parents[1]


class InstallCommandFiles(_INSTALL_DATA):  # type: ignore[misc, valid-type]
    """Man pages and completion, made from the commands when they are installed or packed."""

    def run(self) -> None:
        from build_steps.command_files import write_command_files

        self.data_files = write_command_files(ROOT / "build/command_files")
        super().run()


class FreshBuild(_BUILD):  # type: ignore[misc, valid-type]
    """A build of the modules that there are: what an earlier one left is packed, too, else.

    An engine's model version is a hash of its package's modules.
    """

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class WheelWithSbom(bdist_wheel):
    """A wheel that says what is in it."""

    def write_wheelfile(self, wheelfile_base: str, *args: Any, **options: Any) -> None:
        super().write_wheelfile(wheelfile_base, *args, **options)
        file = Path(wheelfile_base, "sboms", FILE_NAME)
        file.parent.mkdir()
        described = self.distribution
        text = sbom(described.get_name(), described.get_version(), ROOT)
        file.write_text(text, encoding="utf-8")


class ReproducibleSdist(sdist):
    """An sdist of which the same files give the same bytes."""

    def make_archive(self, base_name: str, *_: Any, **options: Any) -> str:
        archive = Path(f"{base_name}.tar.gz")
        write_archive(archive, Path(options["base_dir"]))
        return str(archive)


COMMANDS = {
    "bdist_wheel": WheelWithSbom,
    "build": FreshBuild,
    "install_data": InstallCommandFiles,
    "sdist": ReproducibleSdist,
}
