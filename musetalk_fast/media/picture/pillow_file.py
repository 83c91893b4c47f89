"""Pictures that Pillow decodes, with all that 16-bit samples and transparency ask for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.media.picture.colour_space import ColourSpace
from musetalk_fast.media.picture.colours import lab_to_srgb
from musetalk_fast.media.picture.picture_file import Band, broken, eight_bits

if TYPE_CHECKING:
    from PIL import Image, ImageFile

_EIGHT_BITS = {"1": "L", "LA": "RGBA", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}
"""What Pillow's other modes become; of a palette it depends."""
MODES = frozenset((*_EIGHT_BITS, "L", "P", "RGB", "RGBA", "CMYK", "LAB"))
"""Modes that are read, beside grey of 16 bits."""
_OTHER_ORDER = str.maketrans("BLN", "LBB" if sys.byteorder == "little" else "LBL")


class LowBytes(NamedTuple):
    """A picture whose samples are the low bytes of another's.

    Attributes:
        order: which of them belong to the other's samples.
    """

    image: ImageFile.ImageFile
    order: list[int]


@dataclass(slots=True)
class PillowPicture:
    """A picture that Pillow decodes.

    Attributes:
        key: the samples, as deep as stored, that are transparent.
        low: the low bytes of a picture of 16-bit samples, of which Pillow keeps the high ones.
    """

    name: str
    image: ImageFile.ImageFile
    exif: bytes
    profile: bytes | ColourSpace | None
    aspect: float = 1.0
    has_others: bool = False
    key: tuple[int, ...] = ()
    low: LowBytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.image.size

    def load(self) -> None:
        """Decode it all."""
        with broken(self.name):
            self.image.load()
            if self.low is not None:
                self.low.image.load()

    def band(self, rows: slice) -> Band:
        """Rows of what was decoded."""
        box = (0, rows.start, self.size[0], min(rows.stop, self.size[1]))
        part = self.image.crop(box)
        wide = part.mode.startswith("I;16")
        if self.low is not None:
            low = np.asarray(self.low.image.crop(box))[..., self.low.order]
            samples = np.asarray(part).astype(np.uint16) << 8 | low
        else:
            samples = np.asarray(part if wide else _plain(part))
        samples = samples.reshape(*samples.shape[:2], -1)
        if part.mode != "CMYK" and samples.shape[2] == 4:
            return Band(samples[..., :3], eight_bits(samples[..., 3]))
        return Band(samples, _keyed(samples, self.key))


def _plain(part: Image.Image) -> Image.Image:
    if "transparency" in part.info:
        return part.convert("RGBA")
    if part.mode == "P":
        return part.convert("RGB")
    if part.mode == "LAB":
        return lab_to_srgb(part)
    return part.convert(_EIGHT_BITS[part.mode]) if part.mode in _EIGHT_BITS else part


def _keyed(samples: NDArray[Any], key: tuple[int, ...]) -> NDArray[np.uint8] | None:
    if not key:
        return None
    clear = (samples == np.array(key, np.uint16)).all(axis=2)
    return np.where(clear, np.uint8(0), np.uint8(255))


def low_bytes(opened: Callable[[], ImageFile.ImageFile]) -> LowBytes | None:
    """Of a picture of 16-bit colours, of which Pillow has the high bytes by the order of bytes.

    By the other order it has the low ones. None where there is no need, as Pillow keeps 16-bit
    grey whole; and where colours are premultiplied, as Pillow divides them.
    """
    image = opened()
    modes = {_raw_mode(tile.args) for tile in image.tile}
    if image.mode.startswith("I") or not all(";16" in mode and "a" not in mode for mode in modes):
        return None
    image.tile = [tile._replace(args=_swapped(tile.args)) for tile in image.tile]
    count = len(image.getbands())
    return LowBytes(image, [1, 1, 1, 3] if modes == {"LA;16B"} else list(range(count)))


def _raw_mode(args: Any) -> str:
    mode: str = args if isinstance(args, str) else args[0]
    return mode


def _swapped(args: Any) -> Any:
    """With the other order of bytes; grey and alpha, which has no other, as four bytes."""
    mode = _raw_mode(args)
    colours, order = mode.split(";16")
    other = "RGBA" if colours == "LA" else f"{colours};16{order.translate(_OTHER_ORDER)}"
    return other if isinstance(args, str) else (other, *args[1:])
