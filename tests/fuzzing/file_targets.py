"""What stands in the folder of a render: a plan or faces, or it is damaged and said to be."""

from __future__ import annotations

import json
import random
import struct
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mutation import mutated_json
from target import Target

from musetalk_fast.errors import OutputWriteError, PlanError
from musetalk_fast.kernels.crc32c import crc32c
from musetalk_fast.planning import Plan, cut
from musetalk_fast.planning.plan_json import plan_from_json, plan_to_json
from musetalk_fast.rendering.face_table import INDEX_START, open_face_table, pack_head
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.manifest import Manifest, manifest_from_bytes, manifest_to_bytes
from musetalk_fast.types import (
    BT709,
    AvatarOptions,
    Box,
    CropEncoding,
    EngineIdentity,
    Extend,
    Face,
    Fit,
    NoFace,
    Scaling,
    Silence,
    Sound,
    SourceRun,
    StillRowsMode,
)
from musetalk_fast.video.encoder_choices import EncoderChoices
from musetalk_fast.video.encoder_settings import EncoderSettings

_OUTPUT = Path("/videos/out.mp4")
_X264 = {"crf": "20", "preset": "veryfast", "x264-params": "cpu-independent=1"}
_CHOICES = EncoderChoices(quality=20, preset="veryfast")


def _make_plan(rng: random.Random) -> bytes:
    frames, fps = rng.randint(1, 400), rng.choice((Fraction(25), Fraction(30000, 1001)))
    plan = Plan(
        avatar=Path("/pictures/Zoë\udcff.png"),
        audio=Path("/sounds/a.wav"),
        output=_OUTPUT,
        avatar_sha256="a" * 64,
        audio_sha256="b" * 64,
        duration=Fraction(frames) / fps,
        fps=fps,
        frames=frames,
        width=640,
        height=480,
        fit=rng.choice(list(Fit)),
        colour=BT709,
        bit_depth=8,
        sources=(SourceRun(0, 1, frames),),
        extend=Extend.PINGPONG,
        speed_to_fit=False,
        no_face=NoFace.PASS,
        segments=cut(frames, fps, 4.0),
        encoder=EncoderSettings("libx264", "mp4", "yuv420p", _X264, round(10 * fps), 3, _CHOICES),
        options=AvatarOptions(face="left", face_box=Box(-1, 2, 30, 40)),
        background="white",
        background_image=None,
        background_sha256=None,
        frame_encoding=rng.choice(list(CropEncoding)),
        still_rows=rng.choice(list(StillRowsMode)),
        scaling=rng.choice(list(Scaling)),
        silence=rng.choice(list(Silence)),
        match_colour=rng.choice([False, True]),
        match_source=rng.choice([False, True]),
        track=1,
        start=Fraction(0),
        sound=Sound.AAC,
        sound_bitrate=None,
        audio_from_avatar=False,
        mix_background=None,
        mix_background_sha256=None,
        background_volume=-20,
        overwrite=False,
    )
    text = plan_to_json(plan)
    if rng.random() < 0.5:
        return text
    return json.dumps(mutated_json(rng, json.loads(text))).encode()


def _feed_plan(data: bytes) -> bool:
    written = plan_to_json(plan_from_json(data, _OUTPUT))
    assert plan_to_json(plan_from_json(written, _OUTPUT)) == written
    return True


def _make_faces(rng: random.Random) -> bytes:
    faces: list[Face | None] = []
    for source in range(rng.randint(1, 4)):
        width, height = rng.randint(1, 12), rng.randint(1, 12)
        mask = np.frombuffer(rng.randbytes(width * height), np.uint8).reshape(height, width)
        place = Box(rng.randint(0, 9), 0, width, height)
        faces.append(rng.choice((None, Face(source, Box(-5, 6, 70, 80), place, mask))))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "faces.bin"
        writer = FaceTableWriter(path, len(faces))
        writer.add(faces)
        engine = EngineIdentity("preview", "1", rng.random() < 0.5)
        manifest = Manifest(engine=engine, digest=writer.digest, source_frames=len(faces))
        writer.commit(manifest_to_bytes(manifest))
        return path.read_bytes()


def _feed_faces(data: bytes) -> bool:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "faces.bin"
        path.write_bytes(data)
        table = open_face_table(path)
        manifest = None if table is None else manifest_from_bytes(table.manifest)
        if table is None or manifest is None:
            return False
        assert manifest_from_bytes(manifest_to_bytes(manifest)) == manifest
        faces = table.read(SourceRun(0, 1, table.count))
        assert len(faces) == table.count
        assert all(face is None or face.mask.shape == face.mask_box[:1:-1] for face in faces)
        return True


def _seal_faces(data: bytes) -> bytes:
    """The same damage under right checksums, as far as head and index can be read."""
    if len(data) < INDEX_START:
        return data
    sealed = bytearray(data)
    count, length = struct.unpack_from("<8xII", data)
    if length <= INDEX_START - 20:
        sealed[:INDEX_START] = pack_head(data[20 : 20 + length], count)
    for entry in range(min(count, 16)):
        place = INDEX_START + 8 * entry
        if place + 16 > len(data):
            break
        begin, end = struct.unpack_from("<QQ", data, place)
        if INDEX_START <= begin < end - 4 <= len(data) - 4:
            checksum = crc32c(memoryview(sealed)[begin + 4 : end])
            sealed[begin : begin + 4] = checksum.to_bytes(4, "little")
    return bytes(sealed)


TARGETS = (
    Target("plan", _make_plan, _feed_plan, (PlanError,)),
    Target("faces", _make_faces, _feed_faces, (OutputWriteError,), seal=_seal_faces),
)
