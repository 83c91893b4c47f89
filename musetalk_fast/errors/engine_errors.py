"""Errors of an engine: its weights, its device, its processes and what they compute."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "CropNumbersError",
    "DeviceError",
    "DeviceMemoryError",
    "EngineLoadError",
    "WeightsDifferError",
    "WeightsFormatError",
    "WeightsMissingError",
    "WorkerError",
]


class EngineLoadError(MuseTalkError):
    """An engine that cannot run here."""

    token = "MTF-ENGINE-LOAD"
    exit_code = 78


class WeightsMissingError(EngineLoadError):
    """Weights that are not there, or cannot be read."""

    token = "MTF-WEIGHTS-MISSING"
    default_hint = (
        "get them with `musetalk-fast models pull`, or name the folder that holds musetalkV15, "
        "sd-vae and whisper, as MuseTalk's download_weights.sh makes it, with --models-dir"
    )


class WeightsFormatError(EngineLoadError):
    """A file that holds no weights, or those of another network."""

    token = "MTF-WEIGHTS"
    default_hint = (
        "move the file away and get it again with `musetalk-fast models pull`; `musetalk-fast "
        "models verify` finds damage"
    )


class WeightsDifferError(EngineLoadError):
    """Files that are not the published ones, or no longer those that were pulled."""

    token = "MTF-WEIGHTS-DIFFER"
    default_hint = (
        "move them away and run `musetalk-fast models pull` again, or name another folder with "
        "--models-dir; weights of your own need no pull"
    )


class DeviceError(EngineLoadError):
    """No device that can do what was asked for."""

    token = "MTF-DEVICE"


class DeviceMemoryError(MuseTalkError):
    """The GPU has no more memory."""

    token = "MTF-GPU-MEMORY"
    exit_code = 75
    default_hint = "end other programs on the GPU (`nvidia-smi` lists them), or lower --batch-size"


class CropNumbersError(MuseTalkError):
    """The networks gave infinities, or no numbers at all."""

    token = "MTF-CROP-NUMBERS"
    default_hint = "the weights may be damaged: download them again; or compute with --half off"


class WorkerError(MuseTalkError):
    """A process that computes on one GPU ended, and is being started again."""

    token = "MTF-WORKER"
    exit_code = 75
    default_hint = "try again; if it happens again, look at the server's log and at `nvidia-smi`"
