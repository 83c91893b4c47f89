"""What stands in the folder of a render: a plan or faces, or it is damaged and said to be."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
from mutation import mutated_json
from sealing import seal_binary
from target import Target

from musetalk_fast.errors import PlanError
from musetalk_fast.planning import Plan, cut
from musetalk_fast.planning.plan_json import plan_from_json, plan_to_json
from musetalk_fast.rendering.manifest import Manifest, manifest_from_bytes, manifest_to_bytes
from musetalk_fast.types import (
    AvatarOptions,
    Box,
    CropEncoding,
    EngineIdentity,
    Face,
    Scaling,
    SourceRun,
)
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.face_digest import PreparedFaces, faces_digest

_OUTPUT = Path("/videos/out.mp4")


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
        resolution=rng.choice((None, (640, 480))),
        sources=(SourceRun(0, 1, frames),),
        segments=cut(frames, fps, 4.0),
        encoder=EncoderSettings("libx264", "mp4", "yuv420p", {"crf": "20"}, 300, 3),
        options=AvatarOptions(face="left", face_box=Box(-1, 2, 30, 40)),
        background="white",
        frame_encoding=rng.choice(list(CropEncoding)),
        scaling=rng.choice(list(Scaling)),
        sound=True,
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
    maker = EngineIdentity("preview", "1", rng.random() < 0.5)
    return manifest_to_bytes(Manifest(maker, PreparedFaces(tuple(faces), faces_digest(faces))))


def _feed_faces(data: bytes) -> bool:
    manifest = manifest_from_bytes(data)
    if manifest is None:
        return False
    again = manifest_from_bytes(manifest_to_bytes(manifest))
    assert again is not None
    assert (again.maker, again.faces.digest) == (manifest.maker, manifest.faces.digest)
    return True


def _seal_faces(data: bytes) -> bytes:
    line, end, stream = data.partition(b"\n")
    return line + end + seal_binary(stream)


TARGETS = (
    Target("plan", _make_plan, _feed_plan, (PlanError,)),
    Target("faces", _make_faces, _feed_faces, seal=_seal_faces),
)
