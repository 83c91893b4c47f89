"""How faithful videos are, as a table: the figures that the tests measured, beside their limits.

    python ci/faithfulness.py

Runs those tests, and prints of each figure the worst one. Its name has the limit, which the test
holds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/video/test_faithful.py",
    "tests/media/test_picture_colours.py::test_within_a_level_of_littlecms",
    "tests/media/video/test_hdr.py::test_the_table_is_the_curve",
    "tests/video/test_hdr_output.py::test_an_untouched_crop_changes_nothing_at_any_edge_of_colour",
    "tests/media/video/test_video_frames.py::test_every_frame_is_found_from_everywhere",
    "tests/media/video/test_video_frames.py::test_frames_of_a_variable_rate_have_their_times",
)


def main() -> int:
    """Run and print; the tests' exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        arguments = [sys.executable, "-m", "pytest", "-q", "-n0", f"--junitxml={report}", *TESTS]
        done = subprocess.run(arguments, cwd=ROOT, stdout=sys.stderr, check=False)
        figures = _figures(report)
    print("| figure (and its limit) | worst of | measured |\n|---|---|---|")
    for name, values in figures.items():
        print(f"| {name} | {len(values)} | {max(values):.3g} |")
    return done.returncode


def _figures(report: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in ET.parse(report).iter("property"):
        found.setdefault(each.attrib["name"], []).append(float(each.attrib["value"]))
    return found


if __name__ == "__main__":
    sys.exit(main())
