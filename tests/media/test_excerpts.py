"""A part of a recording, or one of several tracks: what a whole decode has there, read at once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import Signal, record, two_tracks

from musetalk_fast.config.settings import ProcessingSettings, kinds
from musetalk_fast.errors import AudioLengthError, AudioTrackError
from musetalk_fast.media.audio_decoder import AudioDecoder
from musetalk_fast.media.excerpt import WHOLE, Excerpt
from musetalk_fast.media.speech import load_speech

RATE = 16_000
SECS = 6

KINDS = {
    "a.mp3": ("libmp3lame", "s16p"),
    "a.m4a": ("aac", "fltp"),
    "a.flac": ("flac", "s16"),
    "a.mkv": ("pcm_s16le", "s16"),
    "a.wav": ("pcm_s16le", "s16"),
    "a.avi": ("pcm_s16le", "s16"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same six seconds in several formats."""
    folder = tmp_path_factory.mktemp("made")
    time = np.arange(RATE * SECS) / RATE
    voice = (0.3 * np.sin(2 * np.pi * (300 * time + 100 * time**2)))[:, None]
    return {name: record(folder / name, *kind, RATE, voice) for name, kind in KINDS.items()}


def _decoded(path: Path, excerpt: Excerpt = WHOLE) -> tuple[Signal, int, bool]:
    """The sound, how many packets were decoded, and whether the recording goes on."""
    with AudioDecoder(path, excerpt) as reader:
        sound = np.concatenate(list(reader.blocks()))
        return sound, reader.packets.decoded, reader.is_cut


@pytest.mark.parametrize("name", KINDS)
def test_a_part_is_what_the_whole_has_there(made: dict[str, Path], name: str) -> None:
    whole, packets, _ = _decoded(made[name])
    for start, secs in (("0.3", "0.5"), ("4.56789", "0.5"), ("5.5", None)):
        excerpt = Excerpt(None, Fraction(start), None if secs is None else Fraction(secs))
        part, decoded, is_cut = _decoded(made[name], excerpt)
        first = round(Fraction(start) * RATE)
        last = None if secs is None else first + RATE // 2
        assert np.abs(part - whole[first:last]).max() < 2e-3, "to the sample"
        assert is_cut == (secs is not None)
        # AVI's times are not exact; packets of WAV and clusters of Matroska are seconds long.
        if name in ("a.mp3", "a.m4a", "a.flac"):
            assert decoded <= packets // 2, "the rest of it is not decoded"


def test_the_length_is_that_of_the_part(tmp_path: Path, made: dict[str, Path]) -> None:
    excerpt = Excerpt(start=Fraction(1), secs=Fraction(3, 2))
    speech = load_speech(made["a.mp3"], tmp_path, excerpt=excerpt)
    assert speech.duration == Fraction(3, 2)
    assert speech.excerpt == Excerpt("1", Fraction(1), Fraction(3, 2))
    assert (speech.damage, speech.notes) == (None, ())
    # As a plan asks for it again: as long as it was.
    odd = Excerpt("1", Fraction(1, 3), Fraction(1, 7))
    length = load_speech(made["a.mp3"], tmp_path, excerpt=odd).duration
    again = load_speech(made["a.mp3"], tmp_path, excerpt=Excerpt("1", Fraction(1, 3), length))
    assert again.duration == length


def test_what_is_beyond_the_end(tmp_path: Path, made: dict[str, Path]) -> None:
    longer = Excerpt(start=Fraction(5), secs=Fraction(10))
    speech = load_speech(made["a.flac"], tmp_path, excerpt=longer)
    assert speech.duration == 1
    (note,) = speech.notes
    assert note.token == "MTF-AUDIO-END"
    assert note.message == "the recording ends after 1.00 s of the 10 s asked for"
    for name, path in made.items():
        for start in (SECS + 1, 4000):
            with pytest.raises(AudioLengthError, match=f"from {start} s on: it ends at 6\\.") as no:
                load_speech(path, tmp_path, excerpt=Excerpt(start=Fraction(start)))
            assert no.value.where == str(path), name


def test_a_track_is_chosen_by_number_or_language(tmp_path: Path) -> None:
    quiet, loud = (np.full((RATE, 1), level) for level in (0.1, 0.5))
    source = two_tracks(tmp_path / "two.mp4", quiet, loud)
    path = tmp_path / "named.mkv"
    with av.open(str(source)) as given, av.open(str(path), "w") as output:
        streams = {}
        for track, language in zip(given.streams.audio, ("eng", "ger"), strict=True):
            streams[track.index] = output.add_stream_from_template(track)
            streams[track.index].metadata["language"] = language
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    for wanted, number in (("1", 1), ("2", 2), ("en", 1), ("de", 2), ("DEU", 2), ("de-AT", 2)):
        speech = load_speech(path, tmp_path, excerpt=Excerpt(wanted))
        assert (speech.track.number, speech.excerpt.track) == (number, str(number))
        assert (speech.peak_dbfs < -15) == (number == 1)
        assert "MTF-AUDIO-TRACK" not in {note.token for note in speech.notes}
    tracks = r"its sound tracks are 1 \(aac, eng\), 2 \(aac, ger\)"
    for wanted, what in (("3", "no track 3"), ("fr", "no track in the language fr")):
        with pytest.raises(AudioTrackError, match=f"there is {what}; {tracks}") as refused:
            load_speech(path, tmp_path, excerpt=Excerpt(wanted))
        assert refused.value.where == str(path)


def test_a_track_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    voice = np.full((RATE, 1), 0.5)
    data = two_tracks(tmp_path / "two.mp4", voice, voice).read_bytes()
    path = tmp_path / "apac.mp4"
    path.write_bytes(data.replace(b"mp4a\0\0", b"apac\0\0", 1).replace(b"esds", b"dapa", 1))
    with pytest.raises(AudioTrackError, match=r"track 1 cannot be decoded; .* 2 \(aac"):
        load_speech(path, tmp_path, excerpt=Excerpt("1"))
    assert load_speech(path, tmp_path, excerpt=Excerpt("2")).track.number == 2


def test_times_are_written_as_people_write_them() -> None:
    start, duration = (kinds(ProcessingSettings)[name] for name in ("start", "duration"))
    for text, secs in (("90", 90), ("1:30", 90), ("0:01:30.5", Fraction(181, 2)), ("0", 0)):
        assert start.parse(text) == secs
        assert start.parse(start.write(start.parse(text))) == secs
    for text in ("-1", "1:60", "1:2:3:4", "1e3", "nan", "", "400000"):
        with pytest.raises(ValueError, match="must be 0 to 360000 seconds"):
            start.parse(text)
    with pytest.raises(ValueError, match=r"must be 0\.001 to 36000 seconds"):
        duration.parse("0")
    track = kinds(ProcessingSettings)["audio_track"]
    assert [track.check(each) for each in (2, "2", "en", "pt-BR")] == ["2", "2", "en", "pt-BR"]
    for wrong in ("0", "-1", "english", "", 0, True):
        with pytest.raises(ValueError, match="a track's number from 1, or a language"):
            track.check(wrong)
