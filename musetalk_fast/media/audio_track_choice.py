"""Which of a file's sound tracks is heard: the first that can be decoded, or the one asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from musetalk_fast.errors import AudioTrackError

if TYPE_CHECKING:
    import av

_LANGUAGES = (
    "ar ara,bg bul,bn ben,ca cat,cs ces cze,da dan,de deu ger,el ell gre,en eng,es spa,et est,"
    "fa fas per,fi fin,fr fra fre,he heb,hi hin,hr hrv,hu hun,id ind,it ita,ja jpn,ko kor,lt lit,"
    "lv lav,ms msa may,nl nld dut,no nor nob,pl pol,pt por,ro ron rum,ru rus,sk slk slo,sl slv,"
    "sr srp,sv swe,ta tam,th tha,tr tur,uk ukr,ur urd,vi vie,zh zho chi"
)
"""Names of ISO 639 that mean the same: of two letters, and of three letters (parts 2/T and 2/B)."""

_SAME = {name: names.split() for names in _LANGUAGES.split(",") for name in names.split()}


def can_decode(track: av.AudioStream) -> bool:
    """Whether this FFmpeg has a decoder for a track."""
    # None where there is none, whatever PyAV's type says.
    return getattr(track, "codec_context", None) is not None


def chosen_track(
    tracks: Sequence[av.AudioStream], codecs: Sequence[str], wanted: str
) -> av.AudioStream:
    """The track that was asked for.

    Args:
        codecs: what the tracks are encoded with.
        wanted: a number from 1, or a language of ISO 639; of several tracks in it, the first that
            can be decoded.

    Raises:
        errors.AudioTrackError: there is none, or it cannot be decoded; the tracks are listed.
    """
    there = ", ".join(described_tracks(tracks, codecs))
    found = list(_matching(tracks, wanted))
    if not found:
        what = f"no track {wanted}" if wanted.isdigit() else f"no track in the language {wanted}"
        raise AudioTrackError(f"there is {what}; its sound tracks are {there}")
    for track in found:
        if can_decode(track):
            return track
    raise AudioTrackError(f"track {wanted} cannot be decoded; its sound tracks are {there}")


def described_tracks(tracks: Sequence[av.AudioStream], codecs: Sequence[str]) -> Iterator[str]:
    """`1 (aac, eng)` for each track."""
    for number, (track, codec) in enumerate(zip(tracks, codecs, strict=True), 1):
        language = _language(track)
        spoken = f", {language}" if language else ""
        why = "" if can_decode(track) else ", which cannot be decoded"
        yield f"{number} ({codec}{spoken}{why})"


def _matching(tracks: Sequence[av.AudioStream], wanted: str) -> Iterator[av.AudioStream]:
    if wanted.isdigit():
        yield from tracks[int(wanted) - 1 : int(wanted)] if int(wanted) else ()
        return
    # `en-GB` is English, too.
    name = wanted.lower().partition("-")[0]
    names = _SAME.get(name, [name])
    yield from (track for track in tracks if _language(track).partition("-")[0] in names)


def _language(track: av.AudioStream) -> str:
    """In small letters; empty where the file does not say."""
    language = track.metadata.get("language", "").lower()
    return "" if language == "und" else language
