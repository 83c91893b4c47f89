"""The report: it says what became of each job, and nothing in it is obeyed or fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from musetalk_fast.batching.report import (
    FORMAT,
    JobRecord,
    Report,
    pace_from_json,
    records_from_json,
    report_to_json,
)
from musetalk_fast.batching.report_folder import ReportFolder
from musetalk_fast.batching.report_keeper import ReportKeeper
from musetalk_fast.batching.report_page import report_to_html
from musetalk_fast.batching.report_writer import ReportWriter
from musetalk_fast.batching.thumbnail import thumbnail
from musetalk_fast.events import MouthFigures

EVIL = '<script>alert("x")</script>\x1b[2J\udce9'
STILL = ("MTF-MOUTH-STILL", "the mouth did not move in 12.0 s of speech")
DONE = JobRecord(
    name="anna", state="done", avatar="in/anna.png", audio="in/anna.wav", output="a b/anna.mp4",
    identity="a1" * 32, engine="musetalk", model="1.5", bytes=1_234_567, frames=50,
    duration_secs=2.0, fps="30000/1001", width=640, height=360, render_fps=96.0, wall_secs=3.2,
    stages={"load": 0.5, "generate": 1.5},
    mouth=MouthFigures(moved=3.2, follows=0.6, speech_secs=2),
)  # fmt: skip
FAILED = JobRecord(
    name=EVIL, state="failed", avatar=EVIL, audio=EVIL, output="javascript:alert(1)//.mp4",
    error={"token": "MTF-X", "message": EVIL, "where": EVIL, "hint": None},
    warnings=(("MTF-WARNING", EVIL),),
)  # fmt: skip
NUMB = JobRecord(
    name="numb", state="kept", avatar="n.png", audio="n.wav", output="javascript:alert(1)",
    frames=300, duration_secs=12.0, warnings=(STILL,),
    mouth=MouthFigures(moved=0.0, follows=None, speech_secs=12),
)  # fmt: skip


def _report(*jobs: JobRecord) -> Report:
    return Report("done", "2026-01-02T03:04:05+00:00", 61.0, ("http://gpu (musetalk 1.5)",), jobs)


class _Page(HTMLParser):
    """The elements of a page, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def test_nothing_of_the_page_is_fetched_or_obeyed() -> None:
    jpeg = b"\xff\xd8<b>"
    page = _Page(report_to_html(_report(DONE, FAILED, NUMB), {"anna": jpeg}))
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.elements}
    sources = [each["src"] for _, each in page.elements if "src" in each]
    assert sources == ["data:image/jpeg;base64,/9g8Yj4="]
    links = {each["href"] for _, each in page.elements if "href" in each}
    assert links == {"a%20b/anna.mp4", "javascript%3Aalert%281%29", "#job-1", "#job-2"}
    assert not any(name.startswith("on") for _, each in page.elements for name in each)
    (policy,) = (each["content"] for _, each in page.elements if each.get("http-equiv") is not None)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert '<script>alert("x")</script> [2J\\xe9' in page.said
    assert "url(" not in report_to_html(_report(DONE), {})


def test_a_state_is_no_markup() -> None:
    page = _Page(report_to_html(replace(_report(), earlier=(replace(DONE, state='"><em>'),)), {}))
    assert "em" not in {tag for tag, _ in page.elements}
    assert '"><em>' not in page.said


def test_failures_and_still_mouths_stand_out() -> None:
    page = _Page(report_to_html(_report(DONE, FAILED, NUMB), {}))
    first, _, rest = page.said.partition("Where the time went")
    assert "2 of 3 videos" in first
    assert "Look at these" in first
    assert "MTF-X" in first
    assert "MTF-MOUTH-STILL" in first
    rows = [each["class"] for tag, each in page.elements if tag == "tr" and "class" in each]
    assert rows == ["", "failed", "still"]
    assert "does not move" in rest
    for figure in ("29.97 fps", "640×360", "1.2 MB", "moves by 3.2", "0.60", "96 fps"):
        assert figure in rest
    calm = _Page(report_to_html(_report(DONE), {}))
    assert "Look at these" not in calm.said


def test_what_there_is_much_of_is_folded_away() -> None:
    servers = tuple(f"http://gpu{number} (musetalk 1.5)" for number in range(5))
    failed = [replace(FAILED, name=f"clip {number}") for number in range(25)]
    page = _Page(report_to_html(replace(_report(DONE, *failed), servers=servers), {}))
    assert "details" in {tag for tag, _ in page.elements}
    assert "5 servers" in page.said
    concerns = page.said.partition("Look at these")[2].partition("more are red in the table")[0]
    assert concerns.endswith("\n5 ")
    assert concerns.count("MTF-X") == 20
    places = {each["id"] for _, each in page.elements if "id" in each}
    jumps = {each["href"] or "" for _, each in page.elements if "href" in each}
    assert {each[1:] for each in jumps if each.startswith("#")} <= places


def test_names_from_right_to_left_do_not_turn_what_is_beside_them() -> None:
    name = "\u05d0\u05e0\u05d4 12"
    text = report_to_html(_report(replace(DONE, name=name, avatar=f"{name}.png")), {})
    assert f"<bdi>{name}</bdi></a>" in text
    assert f"<bdi>{name}.png</bdi> + <bdi>anna.wav</bdi>" in text


def test_the_document_is_read_again() -> None:
    records = (DONE, NUMB)
    text = report_to_json(_report(*records))
    assert json.loads(text)["counts"] == {"done": 1, "kept": 1}
    assert records_from_json(text.encode()) == list(records)
    assert json.loads(report_to_json(_report(FAILED)))["jobs"][0]["error"]["token"] == "MTF-X"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "[]",
        '{"jobs": [{"name": "a"}]}',
        json.dumps({"format": FORMAT, "jobs": 1, "earlier": None}),
        json.dumps({"format": FORMAT, "jobs": [1, {"name": 2}, {"name": "a", "state": "done"}]}),
        report_to_json(_report(DONE)).replace('"frames": 50', '"frames": -1'),
        report_to_json(_report(replace(DONE, state='"><script>'))),
    ],
)
def test_what_is_no_report_says_nothing(text: str) -> None:
    assert records_from_json(text.encode()) == []


def test_the_pace_of_a_batch_is_that_of_what_it_made() -> None:
    kept = replace(DONE, state="kept")
    text = report_to_json(_report(DONE, kept, NUMB)).encode()
    assert pace_from_json(text) == pytest.approx(50 / 61)
    assert pace_from_json(report_to_json(_report(kept)).encode()) is None
    assert pace_from_json(text.replace(b"61.0", b'"x"')) is None


def test_a_report_of_somebody_else_stays(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path)
    assert list(folder.foreign()) == []
    folder.document.write_text('{"mine": 1}')
    folder.page.symlink_to(tmp_path / "elsewhere")
    assert list(folder.foreign()) == [folder.document, folder.page]
    shard = ReportFolder(tmp_path, (2, 5))
    shard.write(shard.document, report_to_json(_report(DONE)))
    shard.write(shard.page, report_to_html(_report(DONE), {}))
    assert list(shard.foreign()) == []
    assert shard.document.name == "report.2-of-5.json"
    assert folder.records() == {tmp_path / "a b/anna.mp4": DONE}, "each knows all reports"


def test_a_thumbnail_is_a_frame_of_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "1"})
        stream.width, stream.height = 480, 320
        for level in (0, 255, 255, 0):
            picture = np.full((320, 480, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    jpeg = thumbnail(path)
    assert jpeg is not None
    (tmp_path / "a.jpg").write_bytes(jpeg)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert picture.size == (240, 160)
        assert np.asarray(picture).mean() > 240
    path.write_bytes(b"no video")
    assert thumbnail(path) is None
    assert thumbnail(tmp_path / "none.mp4") is None


def test_a_report_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path / "gone")
    writer = ReportWriter(ReportKeeper([], folder, {}), folder)
    writer.close()
    assert (writer.page, writer.error is None) == (None, False)
    folder.folder.mkdir()
    writer.close()
    assert (writer.page, writer.error) == (folder.page, None)
    folder.page.write_text("mine")
    folder.page.chmod(0o400)
    assert ReportWriter(ReportKeeper([], folder, {}), folder).page is None


def test_the_pace_is_that_of_the_last_batch_that_made_some(tmp_path: Path) -> None:
    assert ReportFolder(tmp_path).pace() is None
    shard, whole = ReportFolder(tmp_path, (1, 2)), ReportFolder(tmp_path)
    shard.write(shard.document, report_to_json(_report(DONE)))
    whole.write(whole.document, report_to_json(_report(replace(DONE, state="kept"))))
    assert whole.pace() == pytest.approx(50 / 61)
