"""Which files MuseTalk 1.5 needs, which it can use, and where each one is published.

Names are those of MuseTalk's own `models/` folder, so that a folder that its
`download_weights.sh` has filled is one of ours too. What this engine does without is not there:
DWPose, S3FD, SyncNet, Whisper's tokenizer.

There are no digests here: the hub says at each revision what a file's is.
"""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_BOUND = 64 << 10


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file at a revision of a repository of the hub.

    Attributes:
        name: its path in a models folder.
        repository: `OWNER/NAME`.
        revision: a commit, 40 hexadecimal digits: its content never changes.
        path: in the repository.
        about_bytes: roughly how long it is.
    """

    name: str
    repository: str
    revision: str
    path: str
    about_bytes: int

    @property
    def most_bytes(self) -> int:
        """A longer one is not it."""
        return max(_LEAST_BOUND, 2 * self.about_bytes)

    @property
    def origin(self) -> str:
        """`OWNER/NAME@0123456789ab`."""
        return f"{self.repository}@{self.revision[:12]}"


_MUSETALK = "TMElyralab/MuseTalk", "2bcb936e2fddb4d86db4c62fd45b387d0c061571"
_VAE = "stabilityai/sd-vae-ft-mse", "31f26fdeee1355a5c34592e401dd41e45d25a493"
_TAESD = "madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e"
_FACE_PARSER = "ManyOtherFunctions/face-parse-bisent", "0073b233a5a3c4b1377d4dbf49245017938a72b5"
_WHISPER = "openai/whisper-tiny", "169d4a4341b33bc18d8881c4b69c2e104e1cc0af"

MUSETALK_15_UNET = PublishedFile(
    "musetalkV15/unet.pth", *_MUSETALK, "musetalkV15/unet.pth", 3_400_000_000
)

MUSETALK_15 = (
    PublishedFile("musetalkV15/musetalk.json", *_MUSETALK, "musetalkV15/musetalk.json", 1_000),
    PublishedFile("sd-vae/config.json", *_VAE, "config.json", 1_000),
    PublishedFile("whisper/config.json", *_WHISPER, "config.json", 2_000),
    PublishedFile("whisper/pytorch_model.bin", *_WHISPER, "pytorch_model.bin", 151_000_000),
    PublishedFile(
        "sd-vae/diffusion_pytorch_model.bin", *_VAE, "diffusion_pytorch_model.bin", 335_000_000
    ),
    MUSETALK_15_UNET,
)
"""All that the engine needs, the short ones first: what is wrong shows before the long one."""

DRAFT = (
    PublishedFile("taesd/config.json", *_TAESD, "config.json", 1_000),
    PublishedFile(
        *("taesd/diffusion_pytorch_model.safetensors", *_TAESD),
        *("diffusion_pytorch_model.safetensors", 9_800_000),
    ),
)
"""TAESD, which decodes drafts."""

FACE_PARSER = (
    PublishedFile("face-parse-bisent/79999_iter.pth", *_FACE_PARSER, "79999_iter.pth", 53_300_000),
)
"""BiSeNet, of which masks are made. Its author's own copy is on no hub; this is a mirror of it."""

OPTIONAL = (*DRAFT, *FACE_PARSER)
"""What the engine can use, and works without."""

MUSETALK_10_UNET = PublishedFile(
    "musetalk/pytorch_model.bin", *_MUSETALK, "musetalk/pytorch_model.bin", 3_400_000_000
)
"""The older weights, of the same architecture: only their digest distinguishes them."""
