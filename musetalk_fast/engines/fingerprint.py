"""What an engine's model version says of the code and the data in its packages."""

from __future__ import annotations

import hashlib
import importlib.resources

FACES = "musetalk_fast.media.face"
"""Where faces are found and followed: part of what every engine makes."""


def fingerprint(*packages: str, salt: bytes = b"") -> str:
    """Eight hex digits over the code and the models of packages that decide a crop's pixels.

    Args:
        salt: what else decides them.
    """
    digest = hashlib.sha256(salt)
    for package in packages:
        files = importlib.resources.files(package).iterdir()
        for file in sorted(files, key=lambda each: each.name):
            if file.name.endswith((".py", ".npz", ".tflite")):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:8]
