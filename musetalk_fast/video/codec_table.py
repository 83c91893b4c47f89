"""The table of encoders, and the names of families that stand for one of them."""

from __future__ import annotations

from musetalk_fast.video.codec import Codec
from musetalk_fast.video.hardware_codecs import HARDWARE_CODECS
from musetalk_fast.video.software_codecs import SOFTWARE_CODECS

CODECS: dict[str, Codec] = {codec.name: codec for codec in (*SOFTWARE_CODECS, *HARDWARE_CODECS)}

FAMILIES = {
    "h264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
"""The encoder that the name of a family means: the library, which makes the same video anywhere."""


def find_codec(name: str) -> Codec | None:
    """The encoder that a name means: FFmpeg's own name of it, or that of its family."""
    return CODECS.get(FAMILIES.get(name, name))
