"""Portraits that the tests of pictures and faces share."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PORTRAITS = {
    "astronaut": ROOT / "examples" / "portrait.png",
    "hopper": ROOT / "tests" / "data" / "grace_hopper.jpg",
}
