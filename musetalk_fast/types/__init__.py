"""The words of the project as types: shapes, dtypes, colour order and units.

Pictures are `uint8`, RGB, C-contiguous, `(height, width, 3)` unless said otherwise.
"""

from __future__ import annotations

from musetalk_fast.types.arrays import *
from musetalk_fast.types.choices import *
from musetalk_fast.types.engine_faces import *
from musetalk_fast.types.sample_colour import *
from musetalk_fast.types.timeline import *
