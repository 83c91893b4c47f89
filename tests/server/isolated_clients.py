"""Clients with avatars and recordings of their own on one server, cut, cancelled and restarted.

What each of them should get is what a server gives that serves nobody else. Every face and every
crop that comes is compared with it, byte for byte, whatever becomes of its stream.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from server_process import Client

from musetalk_fast.wire import binary
from musetalk_fast.wire.messages import End, ErrorMessage, FaceMessage, Frame, Message

ACTIONS = ("whole", "cut", "cancelled")


@dataclass(frozen=True)
class Inputs:
    """What one client has, and how many frames of it are asked for at most."""

    avatar: bytes
    audio: bytes
    frames: int


@dataclass(frozen=True)
class Right:
    """What a client should get: digests of its faces, and of each frame's crop."""

    faces: tuple[str, ...]
    crops: tuple[str, ...]


@dataclass
class Tally:
    """What was compared, and what happened to the streams."""

    crops: int = 0
    faces: int = 0
    ended: Counter[str] = field(default_factory=Counter)


async def learn(client: Client, inputs: Inputs) -> Right:
    """What a server that is used by nobody else gives."""
    faces = await client.messages("/v1/avatars", {"avatar": await client.put(inputs.avatar)})
    body = await _body(client, inputs, 0, inputs.frames)
    crops = await client.messages("/v1/frames", body)
    return Right(
        tuple(_digest(each) for each in faces if isinstance(each, FaceMessage)),
        tuple(_digest(each) for each in crops if isinstance(each, Frame)),
    )


def check_that_they_differ(rights: Sequence[Right]) -> None:
    """Otherwise nobody would see whose a crop is."""
    crops = [crop for right in rights for crop in set(right.crops)]
    assert len(set(crops)) == len(crops), "two clients have a crop in common"


async def storm(
    client: Client, inputs: Sequence[Inputs], rights: Sequence[Right], rounds: int, seed: int
) -> Tally:
    """All clients at once, each so many requests of random ranges with random ends."""
    tally = Tally()
    await asyncio.gather(
        *(
            _Client(client, each, right, tally, random.Random(f"{seed} {number}")).run(rounds)
            for number, (each, right) in enumerate(zip(inputs, rights, strict=True))
        )
    )
    return tally


class _Client:
    def __init__(
        self, client: Client, inputs: Inputs, right: Right, tally: Tally, chance: random.Random
    ) -> None:
        self._client = client
        self._inputs = inputs
        self._right = right
        self._tally = tally
        self._chance = chance

    async def run(self, rounds: int) -> None:
        for _ in range(rounds):
            action = self._chance.choice(ACTIONS)
            if self._chance.random() < 0.2:
                name = await self._client.put(self._inputs.avatar)
                await self._ask("/v1/avatars", {"avatar": name}, action, 1)
                continue
            start = self._chance.randrange(self._inputs.frames)
            stop = self._chance.randint(start + 1, self._inputs.frames)
            body = await _body(self._client, self._inputs, start, stop)
            await self._ask(
                "/v1/frames", body, action, self._chance.randint(0, (stop - start) // 2)
            )

    async def _ask(self, path: str, body: dict[str, object], action: str, after: int) -> None:
        """One request; after so many frames or faces it is cut or cancelled."""
        came = 0
        decoder = binary.Decoder()
        async with self._client.post(path, body) as response:
            if response.status == 429:
                self._tally.ended["busy"] += 1
                await asyncio.sleep(int(response.headers["Retry-After"]))
                return
            assert response.status == 200, await response.text()
            while chunk := await response.content.readany():
                for message in decoder.feed(chunk):
                    came += self._compare(message)
                if came >= after and action == "cut":
                    self._tally.ended[action] += 1
                    return
                if came >= after and action == "cancelled":
                    await self._cancel(str(body["avatar"]))
                    action = "cancelling"
        self._tally.ended[action] += 1

    async def _cancel(self, avatar: str) -> None:
        """The job of this client, if it has not ended yet."""
        for job in (await self._client.get("/v1/jobs"))["jobs"]:
            if job["avatar"] == avatar:
                url = f"{self._client.base}/v1/jobs/{job['id']}"
                async with self._client.session.delete(url) as response:
                    assert response.status in (204, 404)

    def _compare(self, message: Message) -> int:
        """Whether it is a frame or a face; it is this client's."""
        if isinstance(message, Frame):
            assert _digest(message) == self._right.crops[message.index], message.index
            self._tally.crops += 1
            return 1
        if isinstance(message, FaceMessage):
            assert _digest(message) == self._right.faces[message.source], message.source
            self._tally.faces += 1
            return 1
        if isinstance(message, ErrorMessage):
            assert message.code == "MTF-JOB-CANCELLED", message
            self._tally.ended[message.code] += 1
        if isinstance(message, End):
            self._tally.ended["end"] += 1
        return 0


async def _body(client: Client, inputs: Inputs, start: int, stop: int) -> dict[str, object]:
    return await client.frames_body(start, stop, avatar=inputs.avatar, audio=inputs.audio)


def _digest(message: Frame | FaceMessage) -> str:
    if isinstance(message, Frame):
        return hashlib.sha256(message.data).hexdigest()
    mask = b"" if message.mask is None else message.mask.tobytes()
    return hashlib.sha256(f"{message.box} {message.mask_box}".encode() + mask).hexdigest()
