"""What is in the wheel, as CycloneDX in `.dist-info/sboms/` (PEP 770).

Listed are the package and what it carries that others made. What it depends on is in the wheel's
own metadata, and is chosen when it is installed.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

FILE_NAME = "musetalk-fast.cdx.json"
_SPEC = "1.6"
_FACE = "musetalk_fast/media/face"
_CARRIED = (
    (f"{_FACE}/face_detector.tflite", "BlazeFace short range, 128 x 128"),
    (f"{_FACE}/face_landmarks_detector.tflite", "Face Mesh V2, 256 x 256, 478 points"),
    (f"{_FACE}/canonical_face.npz", "The 468 points of an average face, and 10 for its irises"),
)
"""Files from MediaPipe's Face Landmarker; NOTICE beside them says which."""
_MEDIAPIPE = "https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker"


def sbom(name: str, version: str, root: Path) -> str:
    """The document as JSON; the same sources give the same bytes.

    Args:
        root: the folder that has the package.
    """
    reference = f"pkg:pypi/{name}@{version}"
    files = [_file(root, path, description) for path, description in _CARRIED]
    document = {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, reference)}",
        "version": 1,
        "metadata": {"component": _package(name, version, reference)},
        "components": files,
        "dependencies": [{"ref": reference, "dependsOn": [file["bom-ref"] for file in files]}],
    }
    return json.dumps(document, indent=2) + "\n"


def _package(name: str, version: str, reference: str) -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": "MIT"}}],
        "purl": reference,
    }


def _file(root: Path, path: str, description: str) -> dict[str, Any]:
    return {
        "type": "machine-learning-model" if path.endswith(".tflite") else "data",
        "bom-ref": path,
        "supplier": {"name": "The MediaPipe Authors", "url": [_MEDIAPIPE]},
        "name": path,
        "description": description,
        "hashes": [
            {"alg": "SHA-256", "content": hashlib.sha256((root / path).read_bytes()).hexdigest()}
        ],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
