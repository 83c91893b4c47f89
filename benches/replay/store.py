"""Every answer of a server as bytes that are ready before they are asked for."""

from __future__ import annotations

from typing import Any

import orjson

from benches.replay.workload import CROPS, Workload
from musetalk_fast import __version__
from musetalk_fast.types import ALL_ROWS, CropEncoding, Face
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.face_digest import faces_digest
from musetalk_fast.wire.media_types import BINARY, StreamWire
from musetalk_fast.wire.messages import End, FaceMessage, Frame, Start
from musetalk_fast.wire.requests import FramesRequest, Health, Info
from musetalk_fast.wire.stream_checks import ChecksumChain
from musetalk_fast.wire.stream_encoder import StreamEncoder

ENGINE, MODEL = "replay", "1"

Pieces = list[bytes]
"""Of one message."""


class Store:
    """Responses to one workload's requests."""

    def __init__(self, workload: Workload, wires: tuple[StreamWire, ...]) -> None:
        self._workload = workload
        self._wires = wires
        self._digest = faces_digest([workload.face])
        self._payloads: dict[tuple[Any, ...], bytes] = {}
        self._messages: dict[tuple[Any, ...], tuple[Pieces, int]] = {}
        self._streams: dict[tuple[Any, ...], list[Pieces]] = {}

    def document(self, path: str) -> bytes | None:
        """`/health` or `/v1/info`."""
        if path == "/health":
            health = Health(
                status="healthy", version=__version__, model_loaded=True, gpu_available=False,
                gpu_name=None, engine=ENGINE,
            )  # fmt: skip
            return orjson.dumps(health.to_json())
        if path == "/v1/info":
            info = Info(
                engine=ENGINE, model=MODEL, is_preview=False, crop_size=256,
                encodings=tuple(CropEncoding), wires=tuple(wire.media_type for wire in self._wires),
                max_fps=240.0, max_size=8192, max_streams=32, max_asset_bytes=1 << 40,
            )  # fmt: skip
            return orjson.dumps(info.to_json())
        return None

    def faces(self, wire: StreamWire) -> list[Pieces]:
        """The stream of `/v1/avatars`."""
        face: Face = self._workload.face
        encoder = StreamEncoder(wire)
        start = Start(engine=ENGINE, model=MODEL, faces=self._digest, start=0, stop=1)
        message = FaceMessage(source=0, box=face.box, mask_box=face.mask_box, mask=face.mask)
        messages = [encoder.encode(start), encoder.encode(message)]
        messages.append(encoder.end(1, {"faces": self._digest}))
        return [[message] for message in messages]

    def frames(self, asked: FramesRequest, wire: StreamWire) -> list[Pieces]:
        """The stream of `/v1/frames`; made when a range is asked for first."""
        key = (asked.start, asked.stop, asked.encoding, asked.window, wire)
        if key not in self._streams:
            self._streams[key] = self._stream(asked, wire)
        return self._streams[key]

    def _stream(self, asked: FramesRequest, wire: StreamWire) -> list[Pieces]:
        codec, chain = wire.codec(), ChecksumChain()
        first = Start(
            engine=ENGINE, model=MODEL, faces=self._digest, start=asked.start, stop=asked.stop,
            encoding=asked.encoding,
        )  # fmt: skip
        start = codec.encode(first)
        chain.add(codec.checksum_of(start))
        stream: list[Pieces] = [[start]]
        for index in range(asked.start, asked.stop):
            pieces, checksum = self._message(index, asked, wire)
            stream.append(pieces)
            chain.add(checksum)
        stream.append([codec.encode(End(count=asked.stop - asked.start, digest=chain.digest))])
        return stream

    def _message(self, index: int, asked: FramesRequest, wire: StreamWire) -> tuple[Pieces, int]:
        key = (index, asked.encoding, asked.window, wire)
        if key not in self._messages:
            self._messages[key] = self._made(index, asked, wire)
        return self._messages[key]

    def _made(self, index: int, asked: FramesRequest, wire: StreamWire) -> tuple[Pieces, int]:
        """A message whose payload is shared with all that show the same crop."""
        rows = self._workload.rows if asked.window else ALL_ROWS
        data = encode_crop(self._workload.crops[index % CROPS], asked.encoding, rows)
        frame = Frame(index=index, source=0, encoding=asked.encoding, data=data, rows=rows)
        codec = wire.codec()
        encoded = codec.encode(frame)
        if wire == BINARY:
            head, tail = 32, len(encoded)
        else:
            head, tail = encoded.index(b'"data":"') + 8, encoded.rindex(b'","crc32c"')
        shared = (index % CROPS, asked.encoding, asked.window, wire)
        payload = self._payloads.setdefault(shared, encoded[head:tail])
        return [encoded[:head], payload, encoded[tail:]], codec.checksum_of(encoded)
