"""The response of servers that know only POST /infer, read while it arrives."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infer_documents import DATA, FORMS, document, frames

from musetalk_fast import errors
from musetalk_fast.wire.infer import Decoder
from musetalk_fast.wire.messages import ErrorMessage, InferEnd

LONGEST = 4096


def _read(pieces: list[bytes], due: int = len(DATA)) -> tuple[list[bytes], InferEnd]:
    decoder = Decoder(due, LONGEST)
    found = [frame for piece in pieces for frame in decoder.feed(piece)]
    assert [frame.index for frame in found] == list(range(len(found)))
    end = decoder.close()
    assert isinstance(end, InferEnd)
    return [bytes(frame.data) for frame in found], end


@pytest.mark.parametrize("form", FORMS)
def test_every_cut(form: str) -> None:
    text = FORMS[form]
    for cut in range(len(text) + 1):
        data, end = _read([text[:cut], text[cut:]])
        assert data == DATA
        assert (end.count, end.status, end.fps) == (len(DATA), "success", 25)


@pytest.mark.parametrize("form", FORMS)
def test_byte_by_byte(form: str) -> None:
    text = FORMS[form]
    assert _read([text[at : at + 1] for at in range(len(text))])[0] == DATA


@given(st.data())
def test_any_cuts(data: st.DataObject) -> None:
    text = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert _read(pieces)[0] == DATA


@pytest.mark.parametrize("form", FORMS)
def test_a_document_cut_short_is_reported(form: str) -> None:
    text = FORMS[form].rstrip()
    for cut in range(len(text)):
        decoder = Decoder(len(DATA), LONGEST)
        decoder.feed(text[:cut])
        with pytest.raises(errors.StreamCutError):
            decoder.close()


def test_a_frame_is_returned_as_soon_as_it_is_complete() -> None:
    text = FORMS["compact"]
    decoder = Decoder(len(DATA), LONGEST)
    place = text.index(b'{"index":1')
    assert [frame.index for frame in decoder.feed(text[: place - 1])] == [0]


def _text(**members: object) -> bytes:
    return json.dumps(document() | members).encode()


def _with_frame(number: int, frame: object) -> bytes:
    listed: list[object] = list(frames())
    listed[number] = frame
    return _text(frames=listed)


_GOOD = frames()[1]["data"]
HOSTILE: dict[str, tuple[bytes, type[errors.ProtocolError]]] = {
    "nothing": (b"", errors.StreamCutError),
    "HTML": (b"<html>", errors.ProtocolError),
    "an array": (b"[]", errors.ProtocolError),
    "a number": (b"5 ", errors.ProtocolError),
    "an empty object": (b"{}", errors.ProtocolError),
    "a comma too many": (b'{"status":"success",}', errors.ProtocolError),
    "a colon missing": (b'{"status" "success"}', errors.ProtocolError),
    "a name without quotes": (b'{status:"success"}', errors.ProtocolError),
    "bytes behind it": (FORMS["compact"] + b"{}", errors.ProtocolError),
    "a second document": (FORMS["compact"] * 2, errors.ProtocolError),
    "brackets crossed": (b'{"frames":[{"index":0]}}', errors.ProtocolError),
    "a raw line break in text": (b'{"status":"suc\ncess"}', errors.ProtocolError),
    "a bad escape": (b'{"status":"suc\\xcess"}', errors.ProtocolError),
    "not UTF-8": (b'{"status":"\xff\xfe"}', errors.ProtocolError),
    "NaN": (_text().replace(b'"fps": 25', b'"fps": NaN'), errors.ProtocolError),
    "a giant number": (_text().replace(b"25", b"9" * 100_000, 1), errors.MessageSizeError),
    "an endless number": (b'{"fps":' + b"9" * 100_000, errors.MessageSizeError),
    "a giant count": (_text(total_frames=10**30), errors.ProtocolError),
    "an infinite rate": (_text().replace(b'"fps": 25', b'"fps": 1e999'), errors.ProtocolError),
    "a name without end": (b'{"' + b"a" * 1000, errors.MessageSizeError),
    "a text without end": (b'{"status":"' + b"a" * 70_000, errors.MessageSizeError),
    "an unknown member without end": (b'{"x":"' + b"a" * 2_000_000, errors.MessageSizeError),
    "an array of unknown members": (b'{"x":[' + b"1," * 700_000, errors.MessageSizeError),
    "arrays of unknown members": (b'{"x":[' + b"[[1],[2]]," * 70_000, errors.MessageSizeError),
    "escapes without end": (b'{"x":"' + b'\\"' * 700_000, errors.MessageSizeError),
    "deep arrays": (b'{"x":' + b"[" * 100_000, errors.ProtocolError),
    "deep objects": (b'{"x":' + b'{"a":' * 100_000, errors.ProtocolError),
    "deep inside a frame": (b'{"frames":[{"x":' + b"[" * 1000, errors.ProtocolError),
    "a crowd of members": (
        b"{" + b",".join(b'"%d":0' % n for n in range(2000)),
        errors.MessageSizeError,
    ),
    "base64 without end": (b'{"frames":[{"data":"' + b"A" * 5000, errors.MessageSizeError),
    "base64 that is too long": (
        _with_frame(1, {"index": 1, "data": "A" * 4100}),
        errors.MessageSizeError,
    ),
    "status twice": (b'{"status":"a","status":"b"}', errors.ProtocolError),
    "frames twice": (b'{"frames":[],"frames":[]}', errors.ProtocolError),
    "an unknown member twice": (b'{"x":1,"x":1}', errors.ProtocolError),
    "index twice": (b'{"frames":[{"index":0,"index":0,"data":""}]}', errors.ProtocolError),
    "data twice": (b'{"frames":[{"index":0,"data":"","data":""}]}', errors.ProtocolError),
    "frames are an object": (_text(frames={}), errors.ProtocolError),
    "frames are null": (_text(frames=None), errors.ProtocolError),
    "frames are text": (_text(frames="[]"), errors.ProtocolError),
    "a frame is a number": (_with_frame(1, 5), errors.ProtocolError),
    "a frame is empty": (_with_frame(1, {}), errors.ProtocolError),
    "no index": (_with_frame(1, {"data": _GOOD}), errors.ProtocolError),
    "no data": (_with_frame(1, {"index": 1}), errors.ProtocolError),
    "an index is text": (_with_frame(1, {"index": "1", "data": _GOOD}), errors.ProtocolError),
    "an index is true": (_with_frame(1, {"index": True, "data": _GOOD}), errors.ProtocolError),
    "an index is 1.0": (_with_frame(1, {"index": 1.0, "data": _GOOD}), errors.ProtocolError),
    "an index is below zero": (_with_frame(1, {"index": -1, "data": _GOOD}), errors.ProtocolError),
    "data is null": (_with_frame(1, {"index": 1, "data": None}), errors.ProtocolError),
    "data is a number": (_with_frame(1, {"index": 1, "data": 5}), errors.ProtocolError),
    "data is no base64": (_with_frame(1, {"index": 1, "data": "####"}), errors.ProtocolError),
    "data has a line break": (_with_frame(1, {"index": 1, "data": "AA\nA"}), errors.ProtocolError),
    "data has a quote": (_with_frame(1, {"index": 1, "data": 'AA"A'}), errors.ProtocolError),
    "data has a backslash": (_with_frame(1, {"index": 1, "data": "AAA\\"}), errors.ProtocolError),
    "data is é": (_with_frame(1, {"index": 1, "data": "AAAé"}), errors.ProtocolError),
    "data is short": (_with_frame(1, {"index": 1, "data": "AAA"}), errors.ProtocolError),
    "a frame twice": (_with_frame(2, frames()[1]), errors.FrameOrderError),
    "a frame missing": (_text(frames=frames()[:1] + frames()[2:]), errors.FrameOrderError),
    "from 1 on": (_text(frames=frames()[1:]), errors.FrameOrderError),
    "the last is missing": (_text(frames=frames()[:-1]), errors.FrameOrderError),
    "fewer than due": (json.dumps(document(DATA[:3])).encode(), errors.FrameOrderError),
    "more than due": (json.dumps(document(DATA + [b""] * 2)).encode(), errors.FrameOrderError),
    "another count": (_text(total_frames=3), errors.FrameOrderError),
    "no count": (_text(total_frames=None), errors.ProtocolError),
    "a count that is text": (_text(total_frames="5"), errors.ProtocolError),
    "a count that is a list": (_text(total_frames=[5]), errors.ProtocolError),
    "no status": (_text(status=None), errors.ProtocolError),
    "status is a number": (_text(status=1), errors.ProtocolError),
    "fps is text": (_text(fps="25"), errors.ProtocolError),
    "no frames": (b'{"status":"success","total_frames":0}', errors.ProtocolError),
}


@pytest.mark.parametrize("piece", [1 << 20, 1013])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_by_name(name: str, piece: int) -> None:
    text, kind = HOSTILE[name]
    with pytest.raises(errors.ProtocolError) as caught:
        _read([text[at : at + piece] for at in range(0, len(text), piece)])
    assert type(caught.value) is kind
    assert str(caught.value).isprintable()


def test_one_frame_more_than_due_may_come() -> None:
    text = json.dumps(document(DATA)).encode()
    assert _read([text], due=len(DATA) - 1)[1].count == len(DATA)


def test_a_failure_is_reported() -> None:
    decoder = Decoder(5, LONGEST)
    decoder.feed(b'{"status":"error","code":"MTF-NO-FACE","message":"no face","hint":"look"}')
    end = decoder.close()
    assert isinstance(end, ErrorMessage)
    assert (end.code, end.message, end.hint) == ("MTF-NO-FACE", "no face", "look")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"status":"failed","error":"CUDA out of memory"}', "CUDA out of memory"),
        (b'{"status":"ERROR","detail":["a"],"message":null}', "it answered that it failed"),
    ],
)
def test_a_failure_in_other_words(text: bytes, message: str) -> None:
    decoder = Decoder(5, LONGEST)
    decoder.feed(text)
    end = decoder.close()
    assert isinstance(end, ErrorMessage)
    assert message in end.message


def test_memory_does_not_grow_with_the_document() -> None:
    picture = bytes(range(256)) * 300
    item = json.dumps(frames([picture])[0]).encode()
    decoder = Decoder(10_000, 1 << 20)
    decoder.feed(b'{"frames":[' + item)
    peaks = []
    tracemalloc.start()
    try:
        for index in range(1, 600):
            tracemalloc.reset_peak()
            text = b" \n," + item.replace(b'"index": 0', b'"index": %d' % index)
            for at in range(0, len(text), 20_000):
                decoder.feed(text[at : at + 20_000])
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert max(peaks[300:]) <= max(peaks[:300]) + len(picture)  # the list of peaks grows too
    assert max(peaks) < 6 * len(picture)


@given(st.data())
def test_damage_is_an_error_of_the_wire_and_nothing_else(data: st.DataObject) -> None:
    text = bytearray(FORMS[data.draw(st.sampled_from(sorted(FORMS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 9)))
        text[start:stop] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"\\", b"{", b"]", b",", b"\\u00"])
        )
    cut = data.draw(st.integers(0, len(text)))
    decoder = Decoder(len(DATA), LONGEST)
    with suppress(errors.ProtocolError):
        found = [
            frame for piece in (text[:cut], text[cut:]) for frame in decoder.feed(bytes(piece))
        ]
        decoder.close()
        assert len(found) == len(DATA)


@settings(max_examples=300)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    st.booleans(),
    st.integers(0, 400),
)
def test_any_unknown_member_is_skipped(value: object, escaped: bool, cut: int) -> None:
    text = json.dumps({"unknown": value} | document(), ensure_ascii=escaped)
    try:
        encoded = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8
        return
    assert _read([encoded[:cut], encoded[cut:]])[0] == DATA
