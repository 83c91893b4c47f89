"""Many clients of one server: each gets its own face and its own speech. See ci/isolation.py."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from in_process import server_in
from isolated_clients import Inputs, check_that_they_differ, learn, storm
from pattern_engine import PatternAvatar, PatternEngine
from server_process import avatar, speech, until

from musetalk_fast.engines.base import CancelCheck, CropRequest, OnFace
from musetalk_fast.types import AvatarOptions

CLIENTS, FRAMES, ROUNDS = 12, 12, 3


class _Named:
    def __init__(self, avatar: PatternAvatar, content: bytes) -> None:
        self.width, self.height, self.faces = avatar.width, avatar.height, avatar.faces
        self.content = content


class _ContentEngine(PatternEngine):
    """Its crops are made of the content of avatar and recording, and of the frame's index."""

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> Any:
        return _Named(super().prepare_avatar(path, options, on_face, check), path.read_bytes())

    def infer(self, batch: Sequence[CropRequest]) -> Any:
        time.sleep(0.001 * len(batch))
        crops = np.zeros((len(batch), 256, 256, 3), np.uint8)
        for crop, request in zip(crops, batch, strict=True):
            assert isinstance(request.avatar, _Named)
            assert isinstance(request.audio, np.ndarray)
            heard = request.audio.tobytes() + request.frame.to_bytes(4)
            for row, content in enumerate((request.avatar.content, heard)):
                crop[row, :32, 0] = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
        return crops


async def test_each_client_gets_its_own_face_and_speech(tmp_path: Path) -> None:
    inputs = [
        Inputs(avatar(tag=number, width=640 + 2 * number, sources=2), speech(0.5, number), FRAMES)
        for number in range(CLIENTS)
    ]
    async with server_in(tmp_path / "alone", engine=_ContentEngine) as server:
        rights = [await learn(server.client, each) for each in inputs]
    check_that_they_differ(rights)
    # Fewer are kept than there are: they are evicted and prepared again while others are at work.
    bounds = {"max_streams": 4 * CLIENTS, "avatars": 4, "recordings": 4}
    async with server_in(tmp_path / "many", engine=_ContentEngine, **bounds) as server:
        tally = await storm(server.client, inputs, rights, ROUNDS, seed=7)
        # What clients have left goes when the server has seen it.
        await until(lambda: not server.services.jobs.all and not server.services.limiter.is_busy)
    assert tally.crops > 30
    assert min(tally.ended[each] for each in ("whole", "cut", "cancelling")) > 2
