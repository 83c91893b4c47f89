"""Errors of an engine: its weights, its device, its processes and what they compute."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "CropNumbersError",
    "DeviceError",
    "DeviceFaultError",
    "DeviceMemoryError",
    "EngineLoadError",
    "WeightsDifferError",
    "WeightsFormatError",
    "WeightsMissingError",
    "WorkerEndedError",
    "WorkerError",
    "WorkerStuckError",
    "WorkersBusyError",
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


class DeviceFaultError(MuseTalkError):
    """The GPU failed; no later call of this process would succeed."""

    token = "MTF-GPU-FAULT"
    default_hint = (
        "start the server again: with --gpus each GPU has a process of its own, which is started "
        "again by itself. Look at `nvidia-smi` and at the kernel's log (`dmesg`, Xid)"
    )


class CropNumbersError(MuseTalkError):
    """The networks gave infinities, or no numbers at all."""

    token = "MTF-CROP-NUMBERS"
    default_hint = "the weights may be damaged: download them again; or compute with --half off"


class WorkerError(MuseTalkError):
    """No process that computes on a GPU can be used now."""

    token = "MTF-WORKER"
    exit_code = 75
    default_hint = "try again; if it happens again, look at the server's log and at `nvidia-smi`"


class WorkerEndedError(WorkerError):
    """A process that computes ended, and is being started again; or the engine ends."""

    token = "MTF-WORKER-ENDED"


class WorkerStuckError(WorkerError):
    """A process that computes did not return from a call: it was ended, and is started again."""

    token = "MTF-WORKER-STUCK"
    default_hint = (
        "try again; if the call was only slow, raise --call-timeout. A GPU that hangs often shows "
        "in `nvidia-smi` and in the kernel's log (`dmesg`, Xid)"
    )


class WorkersBusyError(WorkerError):
    """All processes that compute are at work, or are being started again."""

    token = "MTF-WORKERS-BUSY"
