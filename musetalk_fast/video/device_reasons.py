"""Explains why a hardware encoder does not open.

FFmpeg reports most of it in its log, and returns error codes that mean something else: EPERM for
an absent driver. The texts are those of its sources (libavcodec/nvenc.c, qsv.c, libavutil's
hwcontext_amf.c).
"""

from __future__ import annotations

from typing import NamedTuple


class _Known(NamedTuple):
    device: str
    text: str
    reason: str
    way_out: str


_KNOWN = (
    _Known(
        *("_nvenc", "cannot load libcuda", "there is no NVIDIA driver here"),
        "install it; a container gets it from its host (docker run --gpus all)",
    ),
    _Known(
        *("_nvenc", "cannot load libnvidia-encode", "the NVIDIA driver came without its encoder"),
        "in a container set NVIDIA_DRIVER_CAPABILITIES=video,compute,utility",
    ),
    _Known(*("_nvenc", "required nvenc api version", "the NVIDIA driver is too old"), "update it"),
    _Known(
        *("_nvenc", "minimum required nvidia driver", "the NVIDIA driver is too old"), "update it"
    ),
    _Known(
        *("_nvenc", "no capable devices found"),
        "no GPU here has NVENC for such video (H100, H200, A100 and their kin have none)",
        "use a GPU that has it",
    ),
    _Known(
        *("_nvenc", "cuda_error_no_device", "there is no NVIDIA GPU here"), "use one that has NVENC"
    ),
    _Known(
        *("_nvenc", "openencodesessionex failed"),
        "the GPU takes no more encoding sessions (GeForce: 8 at a time), or lacks memory",
        "end other programs that encode",
    ),
    _Known(
        *("_qsv", "mfx session", "there is no Intel GPU with its runtime here"),
        "install Intel's media driver and oneVPL GPU runtime, and let yourself use /dev/dri",
    ),
    _Known(
        *("_amf", "libamfrt", "there is no AMD GPU with its AMF runtime here"),
        "install AMD's driver with AMF",
    ),
)
_ABSENT = {
    "_vaapi": "the FFmpeg of PyAV's wheels is built without VAAPI",
    "_vulkan": "the FFmpeg of PyAV's wheels is built without Vulkan's encoders",
    "_videotoolbox": "VideoToolbox is there on macOS only",
}


def explained(codec: str, reason: str) -> tuple[str, str | None]:
    """What a reason of FFmpeg's means, and a hint; as it is, and None, where nobody knows.

    Args:
        codec: FFmpeg's name of the encoder.
        reason: of its log, or of its error.
    """
    software = f"--codec {codec.partition('_')[0]} encodes in software"
    for known in _KNOWN:
        if codec.endswith(known.device) and known.text in reason.lower():
            return f"{known.reason} ({reason})", f"{known.way_out}; {software}"
    return reason, None


def absent(codec: str) -> str | None:
    """Why builds of FFmpeg are without a kind of encoder; None where nobody knows."""
    return next((why for ending, why in _ABSENT.items() if codec.endswith(ending)), None)
