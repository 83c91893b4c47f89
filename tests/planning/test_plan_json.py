"""A plan survives its file; a file that was damaged does not become a plan."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from musetalk_fast.config import OutputSettings
from musetalk_fast.config.settings import kinds
from musetalk_fast.errors import PlanError
from musetalk_fast.planning import Plan, Segment, check_inputs, cut
from musetalk_fast.planning.plan_json import plan_from_json, plan_to_json
from musetalk_fast.planning.sound_choice import encodable
from musetalk_fast.planning.source_frames import Showing, count_frames, source_runs
from musetalk_fast.types import (
    AUTO_SIDE,
    BT709,
    AvatarOptions,
    Box,
    ColourTags,
    CropEncoding,
    Extend,
    Fit,
    Mastering,
    NoFace,
    Scaling,
    Silence,
    Sound,
    SourceRun,
    StillRowsMode,
)
from musetalk_fast.video import codec_choice, encoder_selection
from musetalk_fast.video.codec import Codec
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.containers import CONTAINERS
from musetalk_fast.video.encoder_choices import EncoderChoices
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.records import (
    integer,
    record_from_json,
    record_identity,
    record_to_json,
    stored,
)

OUTPUT = Path("/videos/out.mp4")
X264 = {"crf": "20", "preset": "veryfast", "x264-params": "cpu-independent=1"}
CHOICES = EncoderChoices(quality=20, preset="veryfast")


def _plan() -> Plan:
    fps = Fraction(30000, 1001)
    return Plan(
        avatar=Path("/pictures/Zoë\udcff.png"),
        audio=Path("/sounds/a.wav"),
        output=OUTPUT,
        avatar_sha256="a" * 64,
        audio_sha256="b" * 64,
        duration=Fraction(100, 3),
        fps=fps,
        frames=1000,
        width=640,
        height=480,
        fit=Fit.CROP,
        colour=BT709,
        bit_depth=8,
        sources=(SourceRun(0, 1, 600), SourceRun(599, -1, 400)),
        extend=Extend.PINGPONG,
        speed_to_fit=False,
        no_face=NoFace.PASS,
        segments=cut(1000, fps, 10.0),
        encoder=EncoderSettings("libx264", "mp4", "yuv420p", X264, 300, 3, CHOICES),
        options=AvatarOptions(face="left", face_box=Box(-1, 2, 30, 40), face_center=(5, 6)),
        background="white",
        frame_encoding=CropEncoding.JPEG,
        still_rows=StillRowsMode.AUTO,
        scaling=Scaling.LANCZOS,
        silence=Silence.HOLD,
        match_colour=True,
        match_source=True,
        track=1,
        start=Fraction(0),
        sound=Sound.AAC,
        sound_bitrate=96,
        audio_from_avatar=False,
        mix_background=None,
        mix_background_sha256=None,
        background_volume=-20,
        overwrite=False,
    )


def test_a_plan_survives_its_file() -> None:
    plan = _plan()
    again = plan_from_json(plan_to_json(plan), OUTPUT)
    assert again == plan
    assert again.identity == plan.identity
    assert again.encoder.threads == 3


PICTURE = {"background_image": Path("/pictures/sea.png"), "background_sha256": "d" * 64}
DISPLAY = Mastering(**dict.fromkeys((item.name for item in fields(Mastering)), 7))
UNSET = {
    **PICTURE,
    "frame_names": "%06d.png",
    "bitrate": 100,
    "tune": "film",
    "mastering": DISPLAY,
    "mix_background": Path("/sounds/sea.mp3"),
    "mix_background_sha256": "e" * 64,
}
WORDS = {"libx264": "libx265", "mp4": "webm", "yuv420p": "yuv444p", "left": "right", "white": "red"}


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case Enum():
            return next(each for each in type(value) if each is not value)
        case Path():
            return value / "other"
        case str():
            return WORDS.get(value) or "c" * len(value)
        case dict():
            return {**value, "other": "1"}
        case Box():
            return value._replace(height=value.height + 1)
        case (int(first), int(second)):
            return first, second + 2
        case tuple():
            return value[:-1]
    return value + 1


def _changes(record: Any) -> Iterator[tuple[str, Any, bool]]:
    """For each field: its name, the record with another value, whether that is another identity."""
    for item in fields(record):
        value, counts = getattr(record, item.name), item.metadata.get("identity", True)
        if is_dataclass(value):
            for name, inner, inner_counts in _changes(value):
                changed = replace(record, **{item.name: inner})
                yield f"{item.name}.{name}", changed, counts and inner_counts
        else:
            other = UNSET[item.name] if value is None else _other(value)
            yield item.name, replace(record, **{item.name: other}), counts


FIELDS = {name: (plan, counts) for name, plan, counts in _changes(_plan())}


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_written_and_read(name: str) -> None:
    changed, _ = FIELDS[name]
    assert changed != _plan()
    words = json.loads(json.dumps(record_to_json(changed)))
    assert record_from_json(Plan, JsonObject(words, "the plan"), output=changed.output) == changed


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_counts_for_the_identity_or_says_that_it_does_not(name: str) -> None:
    changed, counts = FIELDS[name]
    assert (changed.identity != _plan().identity) == counts


def test_what_does_not_decide_how_it_looks() -> None:
    files = {
        "avatar",
        "audio",
        "background_image",
        "mix_background",
        "output",
        "frame_names",
        "overwrite",
    }  # their content has its own fields
    # They are in frames and source frames.
    derived = {"extend", "speed_to_fit"}
    silent = {name for name, (_, counts) in FIELDS.items() if not counts}
    assert silent == files | derived | {"encoder.threads"}


def test_a_new_field_is_one_line() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Longer(Plan):
        grain: int = field(metadata=stored(integer(0, 9)))

    known = {item.name: getattr(_plan(), item.name) for item in fields(Plan)}
    plans = [Longer(**known, grain=grain) for grain in (1, 2)]
    words = json.loads(plan_to_json(plans[1]))
    assert words["grain"] == 2
    assert record_from_json(Longer, JsonObject(words, "the plan"), output=OUTPUT) == plans[1]
    assert len({plan.identity for plan in (*plans, _plan())}) == 3


def test_a_field_without_codec_is_refused() -> None:
    @dataclass(frozen=True)
    class Forgetful:
        size: int = 3

    for use in (record_to_json, record_identity):
        with pytest.raises(KeyError, match=r"codec|identity"):
            use(Forgetful())


def test_a_sequence_is_in_the_folder_that_its_plan_is_beside() -> None:
    changes = {**_lossless("png"), "sound": Sound.NONE, "frame_names": "%04d.png"}
    plan = replace(_plan(), output=Path("/videos/out/%04d.png"), **changes)
    assert plan.place == Path("/videos/out")
    moved = plan_from_json(plan_to_json(plan), Path("/other/frames"))
    assert moved.output == Path("/other/frames/%04d.png")
    assert (moved.place, moved.identity) == (Path("/other/frames"), plan.identity)


@pytest.mark.parametrize("name", record_to_json(_plan()))
def test_a_damaged_member_is_named(name: str) -> None:
    document = json.loads(plan_to_json(_plan()))
    document[name] = [[]]
    with pytest.raises(PlanError, match=rf"^the plan: {name} must be "):
        plan_from_json(json.dumps(document).encode(), OUTPUT)


@pytest.mark.parametrize("changes", [{"background": "blur"}, {"background": None, **PICTURE}])
def test_a_colour_need_not_be_asked_for(changes: dict[str, Any]) -> None:
    plan = replace(_plan(), **changes)
    assert plan_from_json(plan_to_json(plan), OUTPUT) == plan


def test_threads_and_places_do_not_decide_how_it_looks() -> None:
    document = json.loads(plan_to_json(_plan()))
    document["encoder"]["threads"] = 7
    document["avatar"] = "/elsewhere.png"
    moved = plan_from_json(json.dumps(document).encode(), Path("/other/out.mp4"))
    assert moved.identity == _plan().identity
    assert moved.output == Path("/other/out.mp4")


CHANGES = {
    "another quality": lambda document: document["encoder"]["options"].update(crf="30"),
    "a gap": lambda document: document["segments"].pop(1),
    "no segments": lambda document: document.update(segments=[]),
    "too few frames": lambda document: document.update(frames=999),
    "no avatar": lambda document: document.pop("avatar"),
    "an empty path": lambda document: document.update(audio=""),
    "a rate of 0": lambda document: document.update(fps=[0, 1]),
    "the source frames of others": lambda document: document["sources"].pop(),
    "an unknown container": lambda document: document["encoder"].update(format="avi"),
    "an unknown layout": lambda document: document["encoder"].update(pix_fmt="rgb555"),
    "division by zero": lambda document: document.update(duration=[1, 0]),
    "no colour": lambda document: document.pop("colour"),
    "another colour": lambda document: document["colour"].update(matrix=6),
    "a colour out of range": lambda document: document["colour"].update(primaries=256),
    "another depth": lambda document: document.update(bit_depth=10),
    "an unknown scaling": lambda document: document.update(scaling="nearest"),
    "an unknown mode": lambda document: document.update(still_rows="half"),
    "an unknown encoding": lambda document: document.update(frame_encoding="bmp"),
    "a text for threads": lambda document: document["encoder"].update(threads="many"),
    "options in a list": lambda document: document["encoder"].update(options=["crf"]),
    "an option that is no text": lambda document: document["encoder"]["options"].update(
        crf="\ud800"
    ),
    "an option whose name is none": lambda document: document["encoder"].update(
        options={"\ud800": "20"}
    ),
    "a later format": lambda document: document.update(format=2),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_is_refused(name: str) -> None:
    document = json.loads(plan_to_json(_plan()))
    CHANGES[name](document)
    with pytest.raises(PlanError):
        plan_from_json(json.dumps(document).encode(), OUTPUT)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"null", b'{"format": 1}'])
def test_what_is_no_plan_is_refused(text: bytes) -> None:
    with pytest.raises(PlanError):
        plan_from_json(text, OUTPUT)


def _encoder(**changes: Any) -> dict[str, EncoderSettings]:
    return {"encoder": replace(_plan().encoder, **changes)}


def _lossless(container: str) -> dict[str, EncoderSettings]:
    options = {"level": "3", "slices": "4", "slicecrc": "1"}
    return {"encoder": EncoderSettings("ffv1", container, "yuv444p", options, 1, 3)}


def _choice(**changes: Any) -> dict[str, AvatarOptions]:
    return {"options": replace(_plan().options, **changes)}


def _x265(**more: str) -> dict[str, EncoderSettings]:
    options = {"crf": "24", "preset": "veryfast", "x265-params": "log-level=none:info=0", **more}
    return _encoder(codec="libx265", options=options)


def _chosen(**changes: Any) -> dict[str, EncoderSettings]:
    return _encoder(choices=replace(CHOICES, **changes))


NOT_OURS = "encoder: options must be "
NONE_OF = "choices are none of libx264"
IMPOSSIBLE = {
    "a gap": ({"segments": _plan().segments[:1] + _plan().segments[2:]}, "follow one another"),
    "an empty segment": ({"segments": (Segment(0, 0, 0), Segment(1, 0, 1000))}, "30 to 1000 fr"),
    "short segments": ({"segments": cut(1000, Fraction(30), 0.9)}, "30 to 1000 frames long"),
    "segments of many lengths": (
        {"segments": (Segment(0, 0, 300), Segment(1, 300, 500), Segment(2, 500, 1000))},
        "follow one another",
    ),
    "too few frames": ({"frames": 999}, "frames must be 1000"),
    "too many frames": ({"frames": 4_000_000_000}, "frames must be 1000"),
    "an endless recording": ({"duration": Fraction(1 << 60)}, "duration must be .* at most 36000"),
    "no recording": ({"duration": Fraction(0)}, "duration must be more than 0"),
    "a source too few": ({"sources": (SourceRun(0, 1, 999),)}, "sources must be .* not of 999"),
    "a slow rate": ({"fps": Fraction(1, 1000)}, "fps must be 1 to 240"),
    "a rate of long terms": ({"fps": Fraction((1 << 60) + 1, 1 << 59)}, "fps must be 1 to 240"),
    "an odd picture": ({"width": 641}, "width and height must be WIDTHxHEIGHT, both even"),
    "a tiny picture": ({"width": 32}, "width and height must be .* from 64 to 8192"),
    "a side that follows": ({"height": AUTO_SIDE}, "height must be"),
    "ten bits": ({"bit_depth": 10}, "bit_depth must be 8"),
    "an unknown matrix": ({"colour": replace(BT709, matrix=200)}, "colour must be"),
    "unknown primaries": ({"colour": replace(BT709, primaries=200)}, "colour must be"),
    "HDR in 8 bits": (
        {"colour": ColourTags(matrix=9, range=1, primaries=9, transfer=18)},
        "colour must be SDR",
    ),
    "an unknown transfer": ({"colour": replace(BT709, transfer=200)}, "colour must be"),
    "nobody": (_choice(face="nobody"), "options: face must be one of largest, left"),
    "a far shift": (_choice(bbox_shift=101), "options: bbox_shift must be an integer from -100"),
    "a place far away": (_choice(face_center=(1 << 20, 1)), "options: face_center must be X,Y"),
    "no colour": ({"background": "whitish"}, "background: 'whitish' is not a colour"),
    "a picture without its hash": (
        {**PICTURE, "background": None, "background_sha256": None}, "background must be a colour",
    ),
    "a hash without a picture": ({**PICTURE, "background_image": None}, "background must be a "),
    "a colour and a picture": (PICTURE, "background must be a colour, or a picture with its hash"),
    "nothing behind it": ({"background": None}, "background must be a colour, or a picture with"),
    "no alpha to be transparent": ({"background": "transparent"}, "background must be transparent"),
    "many threads": (_encoder(threads=1000), "encoder: threads must be at most 16"),
    "another container": (_encoder(format="webm"), "choices are none of libx264 in webm"),
    "another layout": (_encoder(pix_fmt="yuva420p"), "encoder: pix_fmt must be yuv420p"),
    "few key frames": (_encoder(gop=1 << 20), "encoder: gop must be 10000"),
    "names of no sequence": ({"frame_names": "%d.png"}, "frame_names must be a pattern"),
    "no names of a sequence": ({**_lossless("png"), "sound": Sound.NONE}, "frame_names must be"),
    "names in another folder": (
        {**_lossless("png"), "sound": Sound.NONE, "frame_names": "../%d.png"},
        "frame_names must be",
    ),
    "a GIF with sound": (_lossless("gif"), "sound must be none"),
    "a fast GIF": (
        {**_lossless("gif"), "sound": Sound.NONE, "fps": Fraction(60), "frames": 2000,
         "sources": (SourceRun(0, 0, 2000),), "segments": cut(2000, Fraction(60), 10)}, "60 frames",
    ),
    "a file for statistics": (
        _encoder(options={**X264, "x264-params": "pass=1:stats=/tmp/x"}), NOT_OURS,
    ),
    "flags": (_encoder(options={**X264, "flags": "+pass1", "passlogfile": "/tmp/x"}), NOT_OURS),
    "another quality": (_encoder(options={**X264, "crf": "21"}), NOT_OURS),
    "a quality in other digits": (_encoder(options={**X264, "crf": "\u0662\u0660"}), NOT_OURS),
    "a quality with a tail": (_encoder(options={**X264, "crf": "20:stats=x"}), NOT_OURS),
    "no preset": (_encoder(options={"crf": "20"}), NOT_OURS),
    "an unknown preset": (_encoder(options={**X264, "preset": "x"}), NOT_OURS),
    "a quality out of bounds": (_chosen(quality=52), NONE_OF),
    "no choice of a preset": (_chosen(preset=None), NONE_OF),
    "a preset that is none": (_chosen(preset="x"), NONE_OF),
    "a tune that is none": (_chosen(tune="x"), NONE_OF),
    "an option that names a file": (_chosen(extras={"stats": "/tmp/x"}), NONE_OF),
    "a file behind an option": (_chosen(extras={"deblock": "0:0:stats=/tmp/x"}), NONE_OF),
    "an option out of bounds": (_chosen(extras={"refs": "17"}), NONE_OF),
    "an option in other digits": (_chosen(extras={"refs": "\u0662"}), NONE_OF),
    "a bit rate that is not used": (_chosen(bitrate=1000), NOT_OURS),
    "a file of x265": (_x265(**{"x265-params": "csv=/tmp/x"}), NOT_OURS),
    "another option of x265": (_x265(**{"x264-params": "x"}), NOT_OURS),
    "a step of two": ({"sources": (SourceRun(0, 2, 1000),)}, "runs of source frames"),
    "before the first": ({"sources": (SourceRun(998, -1, 1000),)}, "runs of source frames"),
    "a rate of 0": ({"fps": Fraction(0)}, "fps must be"),
    "no frames": ({"frames": 0}, "frames must be"),
    "a vast picture": ({"width": 1 << 17}, "width must be"),
    "a depth of one bit": ({"bit_depth": 1}, "bit_depth must be"),
    "a colour beyond its table": ({"colour": replace(BT709, matrix=256)}, "colour: matrix must be"),
    "an unknown encoder": (
        {"encoder": replace(_plan().encoder, codec="libnone")}, "encoder: codec must be one of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_plan_is_refused_even_with_its_own_identity(name: str) -> None:
    changes, said = IMPOSSIBLE[name]
    impossible = plan_to_json(replace(_plan(), **changes))
    with pytest.raises(PlanError, match=said):
        plan_from_json(impossible, OUTPUT)


def _made() -> Iterator[tuple[str, OutputSettings]]:
    for codec in CODECS.values():
        for container in CONTAINERS.values():
            if codec.family in container.families:
                for choice in _choices(codec):
                    if container.pictures is not None and "pix_fmt" in choice:
                        continue  # made of the default only
                    yield container.name, OutputSettings(codec=codec.name, **choice)


def _choices(codec: Codec) -> Iterator[dict[str, Any]]:
    yield {}
    if codec.quality:
        yield {"crf": codec.lowest, "preset": "ultrafast"}
        yield {"crf": min(codec.highest, 63), "preset": "slow", "gop": 7}
    if codec.has_quality:
        yield from ({"quality": quality} for quality in (0, 33, 100))
    if codec.bitrate is not None:
        yield {"bitrate": 2_500_000}
    if codec.lossless is not None:
        yield {"lossless": True}
    yield from ({"tune": tune} for tune in codec.tunes)
    few = dict.fromkeys(codec.pix_fmts)
    yield from ({"pix_fmt": pix_fmt} for pix_fmt in few if not has_alpha(pix_fmt))


@pytest.mark.parametrize("extend", Extend)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_plan_of_a_video_is_followed_for_its_own_avatar_only(
    extend: Extend, is_fitted: bool
) -> None:
    secs, fps = Fraction(100, 3), Fraction(30000, 1001)
    avatar: Any = SimpleNamespace(
        rate=Fraction(24), frames=100, timestamps=None, width=640, height=480, pix_fmt="yuv420p"
    )
    inputs: Any = SimpleNamespace(avatar=avatar, speech=SimpleNamespace(duration=secs, track=None))
    showing = Showing(fps=fps, extend=extend, fit=secs if is_fitted else None)
    frames = count_frames(avatar, secs, showing)
    assert frames == (125 if extend is Extend.CUT and not is_fitted else 1000)
    plan = replace(
        _plan(),
        frames=frames,
        extend=extend,
        speed_to_fit=is_fitted,
        sources=source_runs(avatar, frames, showing),
        segments=cut(frames, fps, 10.0),
    )
    again = plan_from_json(plan_to_json(plan), OUTPUT)
    assert again == plan
    check_inputs(again, inputs)
    avatar.frames += 1
    with pytest.raises(PlanError, match=r"frames must be|sources must be"):
        check_inputs(again, inputs)


def test_whatever_the_user_chooses_makes_a_plan_that_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoder_selection, "try_encoder", lambda *_: None)  # not all open here
    for container, output in _made():
        names = f"%d.{container}" if CONTAINERS[container].is_sequence else None
        place = OUTPUT.parent / (names or f"out.{container}")
        for alpha in {False, codec_choice.keeps_alpha(output, place)}:
            encoder = encoder_selection.resolve(
                output, place, 640, 480, _plan().fps, BT709, alpha=alpha
            )
            background = "transparent" if alpha else "white"
            encoder = replace(encoder, threads=16)
            changes: dict[str, Any] = {"encoder": encoder, "bit_depth": encoder.bit_depth}
            taken = encodable(CONTAINERS[container])
            changes["sound"] = taken[0] if taken else Sound.NONE
            changes["frame_names"] = names
            plan = replace(_plan(), output=place, background=background, **changes)
            assert plan_from_json(plan_to_json(plan), plan.place) == plan
            if alpha:
                with pytest.raises(PlanError, match="background must be transparent where"):
                    plan_from_json(plan_to_json(replace(plan, background="white")), place)


@pytest.mark.parametrize("rate", ["1", "24.4", "29.97", "240"])
@pytest.mark.parametrize("secs", [1, 1.37, 10, 600])
@pytest.mark.parametrize("duration", [Fraction(1, 100), Fraction(50, 7), Fraction(1300)])
def test_every_length_of_segments_makes_a_plan_that_is_followed(
    rate: str, secs: float, duration: Fraction
) -> None:
    fps = kinds(OutputSettings)["fps"].parse(rate)
    frames = math.ceil(duration * fps)
    encoder = replace(_plan().encoder, gop=round(10 * fps))
    timing: dict[str, Any] = {"fps": fps, "duration": duration, "frames": frames}
    timing |= {"segments": cut(frames, fps, secs), "sources": (SourceRun(0, 0, frames),)}
    plan = replace(_plan(), encoder=encoder, **timing)
    assert plan_from_json(plan_to_json(plan), OUTPUT) == plan
