"""The comment of a GIF, WebP or APNG: FFmpeg's muxers write none.

It stands behind the frames, so that it is added to a finished file, and found without a look at
them. FFmpeg itself reads that of a GIF.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from html import escape, unescape
from pathlib import Path

from musetalk_fast.storage import AtomicFile, write_errors

_GIF, _PNG, _RIFF, _WEBP = b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF", b"WEBPVP8X"
_HEAD = 32
"""Bytes that say which format it is; of a WebP the `VP8X` chunk's flags are among them."""
_TAIL = 4096
"""Most bytes at the end in which the comment is looked for."""

_GIF_END = b";"
_GIF_BLOCK = 255
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_KEYWORD = b"iTXtComment\0\0\0\0\0"
"""An international text, not compressed, of no language: PNG 3, 11.3.3.4."""
_WEBP_SIZE, _WEBP_FLAGS, _HAS_XMP = 4, 20, 0x04
"""https://developers.google.com/speed/webp/docs/riff_container#extended_file_format"""
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description>'
    '<rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt>'
    "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_DESCRIPTION = re.compile(rb'XMP .{4}<x:xmpmeta .*<rdf:li xml:lang="x-default">([^<]*)<', re.DOTALL)


def add_comment(file: AtomicFile, comment: str) -> None:
    """Add a comment to the animation that FFmpeg has written.

    A WebP of one picture has no place for it.

    Args:
        file: a GIF, a WebP or an APNG.

    Raises:
        errors.OutputWriteError: the disk is full or the folder gone.
    """
    with write_errors(file.path), file.unfinished.open("rb") as written:
        head = written.read(_HEAD)
        size = written.seek(0, os.SEEK_END)
    for offset, content in _changes(head, size, comment.encode()):
        file.write_at(offset, content)


def read_animation_comment(path: Path) -> str:
    """The comment that `add_comment` added to an APNG or a WebP; empty if there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if not (head.startswith(_PNG) or _is_webp(head)):
                return ""
            file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            tail = file.read(_TAIL)
    except OSError:
        return ""
    return _png_comment(tail) if head.startswith(_PNG) else _webp_comment(tail)


def _changes(head: bytes, size: int, comment: bytes) -> Iterator[tuple[int, bytes]]:
    """What is to be written where."""
    if head.startswith(_GIF):
        yield size - len(_GIF_END), _gif_blocks(comment) + _GIF_END
    elif head.startswith(_PNG):
        yield size - len(_PNG_END), _png_text(comment) + _PNG_END
    elif _is_webp(head):
        chunk = _webp_xmp(comment)
        yield size, chunk
        yield _WEBP_FLAGS, bytes([head[_WEBP_FLAGS] | _HAS_XMP])
        yield _WEBP_SIZE, struct.pack("<I", size + len(chunk) - 8)


def _is_webp(head: bytes) -> bool:
    """Whether it is an extended one, as all are that move."""
    return head.startswith(_RIFF) and head[8:16] == _WEBP


def _gif_blocks(comment: bytes) -> bytes:
    """A comment extension: GIF89a, section 24."""
    parts = [comment[at : at + _GIF_BLOCK] for at in range(0, len(comment), _GIF_BLOCK)]
    return b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _png_text(comment: bytes) -> bytes:
    body = _KEYWORD + comment
    length = len(body) - 4  # the chunk's name is not counted
    return struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))


def _png_comment(tail: bytes) -> str:
    if not tail.endswith(_PNG_END) or (begin := tail.rfind(_KEYWORD)) < 4:
        return ""
    text = tail[begin + len(_KEYWORD) : -len(_PNG_END) - 4]
    return text.decode(errors="replace") if tail[begin - 4 :] == _png_text(text) + _PNG_END else ""


def _webp_xmp(comment: bytes) -> bytes:
    packet = _XMP.format(escape(comment.decode(), quote=False)).encode()
    return b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)


def _webp_comment(tail: bytes) -> str:
    found = _DESCRIPTION.search(tail)
    if found is None:
        return ""
    comment = unescape(found[1].decode(errors="replace"))
    return comment if tail.endswith(_webp_xmp(comment.encode(errors="replace"))) else ""
