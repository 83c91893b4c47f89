"""The thread that makes crops for all streams: fair, in batches, never ahead of a slow client.

Each user's streams have the same share together, whatever their number.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CropRequest, Engine
from musetalk_fast.types import CROP_SIZE, Crop

_Batch = list[tuple["CropStream", CropRequest]]


class CropStream:
    """The crops of one request, in order. Made by `Batcher.open`; a context that cancels them.

    Attributes:
        user: whose share of the engine it takes.
        made: how many crops the engine was asked for.
    """

    def __init__(
        self, batcher: Batcher, requests: Iterator[CropRequest], count: int, user: str, limit: int
    ) -> None:
        self.user = user
        self.made = 0
        self._batcher = batcher
        self._requests = requests
        self._wanted = count  # not yet asked of the engine
        self._left = count  # not yet taken
        self._capacity = limit
        self._taken = 0  # and not yet released
        self._crops: list[Crop] = []
        self._error: Exception | None = None
        self._news = asyncio.Event()

    def __enter__(self) -> CropStream:
        return self

    def __exit__(self, *_details: object) -> None:
        self._batcher.forget(self)

    async def take(self) -> list[Crop]:
        """Release the crops of the last call; wait for more. An empty list: there are no more.

        Returns:
            (256, 256, 3) uint8 RGB each; at most the stream's limit of them.

        Raises:
            Exception: what the engine raised.
        """
        self._batcher.release(self)
        while self._left and not self._crops and self._error is None:
            self._news.clear()
            await self._news.wait()
        if self._error is not None and not self._crops:
            raise self._error
        crops, self._crops = self._crops, []
        self._taken = len(crops)
        self._left -= len(crops)
        return crops

    # What follows is the batcher's: the first three under its lock, the last on the loop.

    def next_request(self) -> CropRequest | None:
        """The next crop to make, if there is capacity for it."""
        if not self._wanted or not self._capacity:
            return None
        self._wanted -= 1
        self._capacity -= 1
        self.made += 1
        return next(self._requests)

    def release(self) -> None:
        """The crops taken last are gone."""
        self._capacity += self._taken
        self._taken = 0

    def give_up(self) -> None:
        """Nothing more is asked for."""
        self._wanted = 0

    def deliver(self, crops: Sequence[Crop], error: Exception | None) -> None:
        """Crops were made, or could not be: then none follow, as each stands for the next frame."""
        if self._error is not None:
            return
        self._crops.extend(crops)
        self._error = error
        self._news.set()


OnBatch = Callable[[Counter[str], float, Exception | None], None]
"""Called in the batcher's thread with the crops of each user, the seconds, and why it failed."""


class Batcher:
    """Makes crops with an engine in one thread.

    Attributes:
        max_batch: most crops of one batch.
        began: when the engine was given the batch that it is at, by `perf_counter`; None: it rests.

    Args:
        engine: `infer` is called in the batcher's thread only.
        loop: where crops are taken.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, on_batch: OnBatch) -> None:
        self._on_batch = on_batch
        self._engine = engine
        self._loop = loop
        self.max_batch = engine.describe().max_batch
        self.began: float | None = None
        self._users: OrderedDict[str, deque[CropStream]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="infer", daemon=True)
        self._thread.start()

    def open(self, requests: Iterator[CropRequest], count: int, user: str) -> CropStream:
        """A stream of `count` crops; while two batches of it wait to be sent, no more are made."""
        stream = CropStream(self, requests, count, user, 2 * self.max_batch)
        with self._changed:
            self._users.setdefault(user, deque()).append(stream)
            self._changed.notify()
        return stream

    def release(self, stream: CropStream) -> None:
        """A stream has capacity again."""
        with self._changed:
            stream.release()
            self._changed.notify()

    def forget(self, stream: CropStream) -> None:
        """A stream is finished, or its client has gone: what it still wanted is dropped."""
        with self._changed:
            stream.give_up()
            streams = self._users.get(stream.user, deque())
            if stream in streams:
                streams.remove(stream)
            if not streams:
                self._users.pop(stream.user, None)

    def close(self) -> None:
        """End the thread, after the batch it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            results = self._infer(batch)
            self._give_up_failed(results)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_deliver, results)

    def _give_up_failed(self, results: list[_Result]) -> None:
        """Before the next batch: nothing is made for a stream that has ended."""
        with self._changed:
            for stream, _, error in results:
                if error is not None:
                    stream.give_up()

    def _next_batch(self) -> _Batch | None:
        with self._changed:
            while not self._closed:
                batch = self._collect()
                if batch:
                    return batch
                self._changed.wait()
        return None

    def _collect(self) -> _Batch:
        """One crop of each user in turn, until the batch is full or none wants more."""
        batch: _Batch = []
        idle = 0
        while len(batch) < self.max_batch and idle < len(self._users):
            user, streams = next(iter(self._users.items()))
            self._users.move_to_end(user)
            found = _next_of(streams)
            if found is None:
                idle += 1
            else:
                idle = 0
                batch.append(found)
        return batch

    def _infer(self, batch: _Batch) -> list[_Result]:
        began = self.began = perf_counter()
        users = Counter(stream.user for stream, _ in batch)
        try:
            crops = _checked(self._engine.infer([request for _, request in batch]), len(batch))
        except Exception as error:  # noqa: BLE001 - an engine may raise anything; clients get it as an error
            self._on_batch(users, perf_counter() - began, error)
            return self._infer_alone(batch, error)
        finally:
            self.began = None
        self._on_batch(users, perf_counter() - began, None)
        return [(stream, [crop], None) for (stream, _), crop in zip(batch, crops, strict=True)]

    def _infer_alone(self, batch: _Batch, error: Exception) -> list[_Result]:
        """A batch failed: each stream of it again by itself, so that only the guilty one fails."""
        shares: dict[CropStream, _Batch] = {}
        for stream, request in batch:
            shares.setdefault(stream, []).append((stream, request))
        if len(shares) == 1:
            return [(batch[0][0], [], error)]
        return [result for share in shares.values() for result in self._infer(share)]


def _next_of(streams: deque[CropStream]) -> tuple[CropStream, CropRequest] | None:
    """One crop of one user's streams, which take turns; None if none of them wants one."""
    for _ in range(len(streams)):
        stream = streams[0]
        streams.rotate(-1)
        request = stream.next_request()
        if request is not None:
            return stream, request
    return None


_Result = tuple[CropStream, list[Crop], Exception | None]


def _deliver(results: list[_Result]) -> None:
    for stream, crops, error in results:
        stream.deliver(crops, error)


def _checked(crops: NDArray[Any], count: int) -> NDArray[np.uint8]:
    wanted = (count, CROP_SIZE, CROP_SIZE, 3)
    if crops.shape != wanted or crops.dtype != np.uint8:
        raise TypeError(f"the engine made {crops.dtype} {crops.shape}, not uint8 {wanted}")
    return np.ascontiguousarray(crops)
