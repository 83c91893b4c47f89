"""Which MuseTalk an engine is, and the names that stand for its crops and latents."""

from __future__ import annotations

from dataclasses import dataclass

from musetalk_fast._version import __version__
from musetalk_fast.engines.fingerprint import FACES, fingerprint
from musetalk_fast.engines.musetalk.compute import ComputeInfo
from musetalk_fast.engines.musetalk.model_folder import ModelVersion

NAME = "musetalk"
DRAFT_NAME = "musetalk-draft"


@dataclass(frozen=True, slots=True)
class Variant:
    """Which MuseTalk, and what is not as it is by default."""

    version: ModelVersion
    draft: bool = False
    overlap_speech: bool = False
    sample_latents: bool = False

    @property
    def name(self) -> str:
        """Of the engine: a draft has another, so that every video says what it is."""
        return DRAFT_NAME if self.draft else NAME

    def model(self, info: ComputeInfo) -> str:
        """Of the model: whatever makes other crops is in it."""
        switches = [("overlap", self.overlap_speech), ("sampled", self.sample_latents)]
        others = [word for word, is_on in switches if is_on]
        parts = [self.name, self.version, info.digest, info.numbers, *others, _fingerprint()]
        return "-".join(parts)

    def latents(self, info: ComputeInfo) -> str:
        """Whatever makes other latents."""
        how = "sampled" if self.sample_latents else "mode"
        return f"{self.version} {info.vae_digest} {info.numbers} {how} {_fingerprint()}"


def _fingerprint() -> str:
    return fingerprint(__package__, FACES, salt=__version__.encode())
