"""One segment: a stream of crops becomes a part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from musetalk_fast.client.connection import Connection
from musetalk_fast.client.frames import open_frames
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.handover import Handover, HandoverClosedError
from musetalk_fast.rendering.progress import Meter
from musetalk_fast.types import CROP_SIZE
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder import PartEncoder
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.crops import crop_view
from musetalk_fast.wire.messages import Frame
from musetalk_fast.wire.requests import FramesRequest

_FRAMES_AHEAD = 32
"""Crops between socket and encoder: 6 MB of raw ones."""

MakeCompositor = Callable[[], StillCompositor]


async def render_segment(
    connection: Connection,
    request: FramesRequest,
    wire: str,
    encode: Callable[[Handover[Frame]], Part],
    meter: Meter,
    encoders: Executor,
) -> Part:
    """Stream a segment's crops into `encode`, which runs in a thread of `encoders`.

    Raises:
        errors.ServerError: the stream failed.
        errors.OutputError: the part could not be encoded or written.
    """
    loop = asyncio.get_running_loop()
    handover: Handover[Frame] = Handover(_FRAMES_AHEAD, loop)
    job = loop.run_in_executor(encoders, encode, handover)
    try:
        async with open_frames(connection, request, wire) as stream:
            async for frames in stream:
                meter.received += len(frames)
                await handover.put(frames)
        handover.end()
        return await asyncio.shield(job)
    except HandoverClosedError:
        return await job  # the encoding thread stopped: this raises its own error
    except BaseException:
        handover.close()
        # The thread removes its unfinished part before we let go of its folder.
        await asyncio.wait([job])
        raise


def encode_segment(
    handover: Handover[Frame],
    plan: Plan,
    segment: Segment,
    path: Path,
    make_compositor: MakeCompositor,
    meter: Meter,
) -> Part:
    """Paste and encode frames until the handover ends; runs in a thread.

    Raises:
        errors.FrameShapeError: a crop that is not what its header says.
        errors.OutputError: encoding or writing failed.
    """
    encoder = PartEncoder(path, plan.encoder, plan.width, plan.height, plan.fps, segment.start)
    try:
        compositor = make_compositor()
        scratch = np.empty((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        for frame in handover:
            crop = crop_view(frame, scratch)
            encoder.encode(compositor.compose(crop, frame.rows.first, frame.index - segment.start))
            meter.encoded += 1
        if handover.closed:
            raise HandoverClosedError
        return encoder.finish()
    except BaseException:
        encoder.abort()
        raise
    finally:
        handover.close()
