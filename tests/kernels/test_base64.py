from __future__ import annotations

import base64 as standard

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_frames import Guarded, random_bytes

from musetalk_fast.kernels import native
from musetalk_fast.kernels.base64 import Base64Error, decode_into, decoded_size

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SIZES = [*range(10), *range(90, 130), 191, 192, 193, 3000, 196608]


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("size", SIZES)
def test_decodes_what_the_standard_library_encodes(size: int) -> None:
    data = random_bytes(size, size).tobytes()
    text = standard.b64encode(data)
    out = bytearray(size)
    assert decoded_size(text) == decode_into(text, out) == size
    assert bytes(out) == data
    module = native.load("base64")
    assert module is not None
    assert module.decode(text, out) == size


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("offset", [0, 1, 31, 32, 127, 128, 129, 200, 254, 255])
def test_names_the_first_wrong_character_anywhere(offset: int) -> None:
    right = standard.b64encode(random_bytes(192, 1).tobytes())
    out = bytearray(192)
    for wrong in set(range(256)) - set(ALPHABET) - ({ord("=")} if offset == 255 else set()):
        text = bytearray(right)
        text[offset] = wrong
        if offset < 250:
            text[offset + 3] = wrong
        with pytest.raises(Base64Error) as caught:
            decode_into(text, out)
        assert caught.value.offset == offset
        assert f"0x{wrong:02x} at offset {offset}" in str(caught.value)


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b"A", 1),
        (b"AAAAA", 5),
        (b"A===", 1),
        (b"====", 0),
        (b"AA=A", 2),
        (b"=AAA", 0),
        (b"AA==AAAA", 2),
        (b"AAA=AAAA", 3),
        (b"AAAA====", 4),
        (b"AB==", 1),
        (b"AAB=", 2),
        (b"AAA\n", 3),
        (b"AA-_", 2),
        (b" AAA", 0),
    ],
)
def test_refuses_malformed_text_with_its_offset(text: bytes, offset: int) -> None:
    with pytest.raises(Base64Error) as caught:
        decode_into(text, bytearray(12))
    assert caught.value.offset == offset


@pytest.mark.usefixtures("instruction_set")
def test_stays_between_guards_at_every_size_and_offset() -> None:
    text, out = Guarded(8192), Guarded(8192)
    for size in range(1, 300):
        data = random_bytes(size, size)
        encoded = np.frombuffer(standard.b64encode(data.tobytes()), np.uint8)
        target = out.at_end(np.zeros(size, np.uint8))
        assert decode_into(text.at_end(encoded), target) == size
        np.testing.assert_array_equal(target, data)
        target = out.at_start(np.zeros(size, np.uint8))
        assert decode_into(text.at_start(encoded), target) == size
        np.testing.assert_array_equal(target, data)


@pytest.mark.usefixtures("instruction_set")
def test_leaves_what_lies_behind_alone() -> None:
    for size in range(1, 400):
        out = np.full(size + 64, 0xA5, np.uint8)
        decode_into(standard.b64encode(bytes(size)), out)
        assert not out[:size].any()
        assert (out[size:] == 0xA5).all()


@given(st.binary(max_size=300))
def test_agrees_with_the_standard_library_on_any_text(text: bytes) -> None:
    try:
        expected = standard.b64decode(text, validate=True)
        canonical = standard.b64encode(expected) == text
    except ValueError:
        canonical = False
    out = bytearray(300)
    if canonical:
        assert out[: decode_into(text, out)] == expected
    else:
        with pytest.raises(Base64Error) as caught:
            decode_into(text, out)
        assert 0 <= caught.value.offset <= len(text)


def test_refuses_buffers_by_name_and_number() -> None:
    with pytest.raises(ValueError, match="out has 5 bytes, the text decodes to 6"):
        decode_into(b"AAAAAAAA", bytearray(5))
    with pytest.raises(ValueError, match="out is read-only"):
        decode_into(b"AAAA", bytes(3))
    with pytest.raises(ValueError, match="out is not C-contiguous"):
        decode_into(b"AAAA", np.zeros(6, np.uint8)[::2])
    with pytest.raises(ValueError, match="text is not C-contiguous"):
        decode_into(memoryview(b"AAAAAAAA")[::2], bytearray(3))
    with pytest.raises(TypeError):
        decode_into("AAAA", bytearray(3))  # type: ignore[arg-type]
