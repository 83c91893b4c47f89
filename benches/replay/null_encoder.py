"""A `PartEncoder` that encodes nothing: for what a render costs beside its encoder.

The parts are real ones: packets of a grey picture, encoded beforehand, are muxed, counted and
joined.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import av

from musetalk_fast.rendering import encode
from musetalk_fast.types import ColourTags
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.part_encoder import PartEncoder

_FRAMES = 10

Tape = list[tuple[bytes, bool]]
"""Packets, and whether each is a key frame."""


class NullEncoder(PartEncoder):
    """Plays a tape."""

    def __init__(self, path: Any, encoder: EncoderSettings, *args: Any) -> None:
        # The preset that reorders nothing: a packet for every frame, at once.
        ultrafast = replace(encoder, options={**encoder.options, "preset": "ultrafast"})
        super().__init__(path, ultrafast, *args[:6])  # without the band's encoder
        width, height, fps, colour = args[:4]
        self._tape = _tape(_Key(ultrafast), width, height, fps, colour)

    def _encoded(self, frame: av.VideoFrame | None) -> list[av.Packet[av.VideoStream]]:
        if frame is None:
            return []
        first, *others = self._tape
        data, is_key = others[self._frames % len(others)] if self._frames else first
        packet = av.Packet(data)
        packet.stream, packet.time_base = self._stream, frame.time_base
        packet.pts, packet.duration, packet.is_keyframe = self._frames, 1, is_key
        return [packet]


class _Key:
    """Settings as a key of the cache: their options are a dictionary."""

    def __init__(self, settings: EncoderSettings) -> None:
        self.settings = settings

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.settings == other.settings

    def __hash__(self) -> int:
        return 0


@cache
def _tape(key: _Key, width: int, height: int, fps: Any, colour: ColourTags) -> Tape:
    """A key frame and a few more."""
    encoder = key.settings
    context = av.CodecContext.create(encoder.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    encoder.configure(context, width, height, fps, colour)
    context.flags |= av.codec.context.Flags.global_header
    frame = av.VideoFrame(width, height, encoder.pix_fmt)
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    packets = []
    for index in range(_FRAMES):
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    assert [packet.pts for packet in packets] == [*range(_FRAMES)]
    return [(bytes(packet), packet.is_keyframe) for packet in packets]


def use_null_encoder() -> None:
    """Renders of this process encode nothing from now on."""
    encode.PartEncoder = NullEncoder
