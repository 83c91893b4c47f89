"""An RGB picture into planes: what `paste` does, without scaling and without a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import Planes
from musetalk_fast.kernels.reference.paste import convert, store, top
from musetalk_fast.kernels.yuv_matrix import Conversion


def rgb_to_planes(rgb: NDArray[np.uint8], planes: Planes, conversion: Conversion) -> None:
    """Convert `rgb` ((H, W, 3) uint8): convert, halve columns, halve rows, clip, round."""
    converted = [convert(rgb, conversion, component) for component in range(3)]
    components_to_planes(np.stack(converted), planes)


def components_to_planes(components: NDArray[np.int32], planes: Planes) -> None:
    """As `rgb_to_planes`, of (3, H, W) components in 14 bits."""
    layout = planes.layout
    for component in range(3):
        values = components[component]
        if component and layout.chroma_x:
            values = _halve(values)
        if component and layout.chroma_y:
            values = _halve(values.T).T
        store(planes.samples(component), values.clip(0, top(layout)), layout)


def _halve(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """The mean of each two columns, a half rounded up; a last single column stays."""
    if values.shape[1] % 2:
        values = np.pad(values, ((0, 0), (0, 1)), mode="edge")
    halved: NDArray[np.int32] = (values[:, ::2] + values[:, 1::2] + 1) >> 1
    return halved
