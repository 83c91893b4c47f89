"""The bridge between the event loop and an encoding thread."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from musetalk_fast.rendering.frame_queue import FrameQueue, QueueClosedError


async def test_items_cross_in_order() -> None:
    queue: FrameQueue[int] = FrameQueue(4, asyncio.get_running_loop())
    taken: list[int] = []
    thread = asyncio.create_task(asyncio.to_thread(lambda: taken.extend(queue)))
    for start in range(0, 100, 3):
        await queue.put(range(start, min(start + 3, 100)))
    queue.end()
    await thread
    assert taken == list(range(100))
    assert not queue.closed


async def test_a_full_queue_holds_the_coroutine_not_the_loop() -> None:
    queue: FrameQueue[int] = FrameQueue(2, asyncio.get_running_loop())
    first = asyncio.create_task(queue.put([1, 2]))
    done, _ = await asyncio.wait([first], timeout=0.05)
    assert not done  # full: the next chunk is not read from the socket
    taken: list[int] = []

    def take() -> None:
        taken.extend(queue)

    thread = asyncio.create_task(asyncio.to_thread(take))
    await asyncio.wait_for(first, 60)
    queue.end()
    await thread
    assert taken == [1, 2]


async def test_put_fails_once_the_thread_has_stopped() -> None:
    queue: FrameQueue[int] = FrameQueue(1, asyncio.get_running_loop())

    def fail() -> None:
        for _item in queue:
            queue.close()

    thread = asyncio.create_task(asyncio.to_thread(fail))

    async def put_many() -> None:
        for item in range(100):
            await queue.put([item])

    with pytest.raises(QueueClosedError):
        await put_many()
    await thread


async def test_close_frees_a_waiting_thread() -> None:
    queue: FrameQueue[int] = FrameQueue(1, asyncio.get_running_loop())
    thread = asyncio.create_task(asyncio.to_thread(list, queue))
    await asyncio.sleep(0.02)
    queue.close()
    assert await asyncio.wait_for(thread, 60) == []
    assert queue.closed


async def test_a_slow_thread_bounds_what_waits() -> None:
    queue: FrameQueue[int] = FrameQueue(8, asyncio.get_running_loop())
    taken = most = 0
    lock = threading.Lock()

    def take() -> None:
        nonlocal taken
        for _item in queue:
            time.sleep(0.0005)
            with lock:
                taken += 1

    thread = asyncio.create_task(asyncio.to_thread(take))
    for put in range(1, 201):
        await queue.put([0])
        with lock:
            most = max(most, put - taken)
    queue.end()
    await thread
    # 8 in the queue and half as many in the thread's hands.
    assert most <= 8 + 4 + 1


async def test_what_waits_is_less_than_the_limit_and_a_batch_of_each_who_puts() -> None:
    limit, batch = 8, 5
    queue: FrameQueue[int] = FrameQueue(limit, asyncio.get_running_loop())
    most = 0

    async def put_many() -> None:
        nonlocal most
        for _ in range(20):
            await queue.put(range(batch))
            most = max(most, len(queue._items))

    putting = [asyncio.create_task(put_many()) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(queue._items) == 3 * batch, "one put until it was full, the other once more"
    thread = asyncio.create_task(asyncio.to_thread(list, queue))
    await asyncio.gather(*putting)
    queue.end()
    assert len(await thread) == 2 * 20 * batch
    assert most <= limit - 1 + 2 * batch
