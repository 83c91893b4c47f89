"""Errors of the output: its place, its format, its encoder, its parts."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "EncoderError",
    "OutputBusyError",
    "OutputError",
    "OutputExistsError",
    "OutputFormatError",
    "OutputPlaceError",
    "OutputWriteError",
    "PartsError",
    "SoundFormatError",
]


class OutputError(MuseTalkError):
    """The output cannot be created."""

    token = "MTF-OUTPUT"
    exit_code = 73


class OutputExistsError(OutputError):
    """The output is there and must not be replaced."""

    token = "MTF-OUTPUT-EXISTS"
    default_hint = "give another name, or allow it with --overwrite"


class OutputPlaceError(OutputError):
    """Nothing can be created there: no such folder, a folder itself, or closed to us."""

    token = "MTF-OUTPUT-PLACE"
    default_hint = "name a file in a folder that you may write to"


class OutputFormatError(OutputError):
    """A container or a combination that is not supported."""

    token = "MTF-OUTPUT-FORMAT"
    default_hint = "use a name that ends in .mp4, .mov, .webm or .mkv, or --format"


class SoundFormatError(OutputError):
    """Sound that the container does not take, or that cannot be copied into it."""

    token = "MTF-SOUND"
    default_hint = "leave out --sound, which then chooses what fits"


class EncoderError(OutputError):
    """An encoder that is not in the build or does not open here."""

    token = "MTF-ENCODER"
    default_hint = "`musetalk-fast doctor` lists the encoders that open on this machine"


class OutputBusyError(OutputError):
    """Another render is writing this output."""

    token = "MTF-OUTPUT-BUSY"
    exit_code = 75
    default_hint = "wait until it has ended, or give another name"


class PartsError(OutputError):
    """Finished parts are missing, or not by one engine and model."""

    token = "MTF-PARTS"
    default_hint = "make the missing segments with `musetalk-fast segment`"


class OutputWriteError(OutputError):
    """Writing failed: disk full, folder gone, no permission."""

    token = "MTF-OUTPUT-WRITE"
    exit_code = 74
    default_hint = "check free space and permissions of the output folder"
