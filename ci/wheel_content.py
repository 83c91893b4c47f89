"""What is in a wheel: the size of each kind of file, packed, and whether all of it belongs there.

pip install 'cyclonedx-python-lib[json-validation]'
python ci/wheel_content.py WHEEL
"""

from __future__ import annotations

import sys
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

KINDS = {
    ".py": "Python",
    ".so": "kernels",
    ".tflite": "face models",
    ".npz": "tables and weights",
    ".1": "man pages",
}
MOST_BYTES = 6_000_000
"""A little above what there is, so that nothing large slips in."""


def kind(name: str) -> str:
    """What a file is, by its name."""
    if ".dist-info/" in name:
        return "metadata, licences, SBOM"
    if "completion" in name or "site-functions" in name:
        return "completion"
    return KINDS.get(PurePosixPath(name).suffix, "other")


def main(path: Path) -> None:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    with zipfile.ZipFile(path) as wheel:
        for file in wheel.infolist():
            sizes[kind(file.filename)] += file.compress_size
            counts[kind(file.filename)] += 1
        names = wheel.namelist()
        (sbom,) = (name for name in names if name.endswith("sboms/musetalk-fast.cdx.json"))
        invalid = JsonStrictValidator(SchemaVersion.V1_6).validate_str(wheel.read(sbom).decode())
        assert invalid is None, invalid
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    for name, size in sizes.most_common():
        print(f"  {name:24} {counts[name]:4} files {size / 1e3:8.1f} kB")
    assert path.stat().st_size < MOST_BYTES
    assert not [name for name in names if name.startswith(("tests/", "build_steps/", "benches/"))]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
