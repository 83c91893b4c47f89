"""The report of a batch as one page for people: nothing in it is fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from html import escape
from pathlib import Path
from urllib.parse import quote

from musetalk_fast._version import __version__
from musetalk_fast.batching.report import JobRecord, Report
from musetalk_fast.batching.report_folder import GENERATOR
from musetalk_fast.batching.report_style import STYLE
from musetalk_fast.wire.printable import escape_surrogates, printable

_WORDS = {
    "done": "done",
    "kept": "there already",
    "failed": "failed",
    "stopped": "stopped",
    "waiting": "not begun",
}
_STAGES = {
    "load": "loading the inputs",
    "server": "waiting for a server",
    "prepare": "sending and preparing",
    "generate": "generating and encoding",
    "join": "joining",
}
_FULL_MOTION = 8.0
"""Levels of 255: a mouth that moves as far as a talking head's does fills the bar."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_to_html(report: Report, thumbnails: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        thumbnails: JPEGs by the name of the job.
    """
    parts = (*_head(report), *_tiles(report), *_attention(report.jobs), *_time(report.jobs))
    rows = (*_table("Videos", report.jobs, thumbnails),)
    earlier = (*_table("Of earlier batches", report.earlier, thumbnails),)
    return escape_surrogates("\n".join((*parts, *rows, *earlier, "</body></html>", "")))


def _head(report: Report) -> Iterator[str]:
    made = sum(job.state in ("done", "kept") for job in report.jobs)
    title = f"{made} of {len(report.jobs)} videos"
    state = {"running": "still running", "stopped": "stopped: the same command continues"}
    yield f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="generator" content="{GENERATOR} {__version__}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{title}</title><style>{STYLE}</style></head><body>"""
    yield f"<h1>{title}</h1>"
    facts = [report.began.replace("T", " ").replace("+00:00", " UTC"), _secs(report.wall_secs)]
    facts += [state[report.state]] if report.state in state else []
    yield f'<p class="soft">{_text("; ".join((*facts, *report.servers)))}</p>'


def _tiles(report: Report) -> Iterator[str]:
    yield '<div class="tiles">'
    for state, count in report.counts().items():
        yield _tile(str(count), _WORDS[state], state)
    if still := sum(job.mouth_is_still for job in report.jobs):
        yield _tile(str(still), "mouths that do not move", "still")
    secs = sum(job.duration_secs or 0 for job in report.jobs)
    yield _tile(_secs(secs), "of video")
    frames = sum(job.frames or 0 for job in report.jobs if job.state == "done")
    if frames and report.wall_secs > 0:
        yield _tile(f"{frames / report.wall_secs:.0f}", "frames a second, all in all")
    yield "</div>"


def _tile(figure: str, what: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><b>{_text(figure)}</b><span class="soft">{what}</span></div>'


def _attention(jobs: Sequence[JobRecord]) -> Iterator[str]:
    """What somebody has to look at, before everything else."""
    lines = [_concern(job) for job in jobs if job.state == "failed" or job.mouth_is_still]
    if lines:
        yield '<section class="attention"><h2>Look at these</h2><ul>'
        yield from lines
        yield "</ul></section>"


def _concern(job: JobRecord) -> str:
    if job.error is not None:
        what = f"{job.error['message']} ({job.error['token']})"
    else:
        what = "there is speech, and the mouth does not move (MTF-MOUTH-STILL)"
    return f"<li><b>{_text(job.name)}</b>: {_text(what)}</li>"


def _time(jobs: Sequence[JobRecord]) -> Iterator[str]:
    """Where the time of all renders went, which is the legend of each one's bar, too."""
    spent = {
        stage: sum(job.stages.get(stage, 0.0) for job in jobs if job.state == "done")
        for stage in _STAGES
    }
    if not sum(spent.values()):
        return
    yield "<h2>Where the time went</h2>"
    yield _stacked(spent)
    yield '<div class="legend small">'
    for stage, secs in spent.items():
        yield f'<span><i class="{stage}"></i>{_STAGES[stage]} {_secs(secs)}</span>'
    yield "</div>"


def _table(title: str, jobs: Sequence[JobRecord], thumbnails: Mapping[str, bytes]) -> Iterator[str]:
    if not jobs:
        return
    yield f"<h2>{title}</h2><table><thead><tr><th></th><th>video</th><th>length</th>"
    yield "<th>speed</th><th>time</th><th>mouth</th></tr></thead><tbody>"
    for job in jobs:
        kind = "failed" if job.state == "failed" else "still" if job.mouth_is_still else ""
        yield f'<tr class="{kind}">{_thumbnail(job, thumbnails)}{_what(job)}'
        if job.frames:
            yield f'<td data-of="length">{_length(job)}</td>'
            yield f'<td data-of="speed">{_speed(job)}</td>' if job.wall_secs else "<td></td>"
            yield f'<td class="time">{_stacked(job.stages)}</td>' if job.stages else "<td></td>"
            yield f'<td data-of="mouth">{_mouth(job)}</td>'
        yield "</tr>"
    yield "</tbody></table>"


def _thumbnail(job: JobRecord, thumbnails: Mapping[str, bytes]) -> str:
    jpeg = thumbnails.get(job.name)
    if jpeg is None:
        return '<td class="thumb"></td>'
    data = base64.b64encode(jpeg).decode()
    return (
        f'<td class="thumb"><a href="{_link(job)}"><img alt="" loading="lazy" '
        f'src="data:image/jpeg;base64,{data}"></a></td>'
    )


def _what(job: JobRecord) -> str:
    """Its name, what became of it, and what there is to say of it."""
    is_there = job.state in ("done", "kept")
    name = f'<span class="name">{_text(job.name)}</span>'
    if is_there:
        name = f'<a class="name" href="{_link(job)}">{_text(job.name)}</a>'
    files = f"{Path(job.avatar).name} + {Path(job.audio).name}"
    notes = [f"<li>{_text(message)}</li>" for _, message in job.warnings]
    if job.error is not None:
        notes = [f'<li class="bad">{line}</li>' for line in _error_lines(job.error)] + notes
    listed = f'<ul class="notes">{"".join(notes)}</ul>' if notes else ""
    pill = f'<span class="pill {job.state}">{_WORDS.get(job.state, "")}</span>'
    cell = '<td class="what">' if job.frames else '<td class="what alone" colspan="5">'
    return f'{cell}{name} {pill}<div class="soft small">{_text(files)}</div>{listed}</td>'


def _error_lines(error: Mapping[str, str | None]) -> Iterator[str]:
    yield f"{_text(error['message'])} <code>{_text(error['token'])}</code>"
    for name in ("where", "hint"):
        if error.get(name):
            yield _text(error[name])


def _length(job: JobRecord) -> str:
    facts = [f"{job.frames} frames"]
    if job.width and job.height:
        facts.append(f"{job.width}×{job.height}")
    if job.fps:
        facts.append(f"{_rate(job.fps)} fps")
    if job.bytes:
        facts.append(_size(job.bytes))
    return f'{_secs(job.duration_secs or 0)}<div class="soft small">{_text(", ".join(facts))}</div>'


def _speed(job: JobRecord) -> str:
    fps = f'<span class="nowrap">{job.render_fps:.0f} fps</span>' if job.render_fps else ""
    return f'{fps}<div class="soft small">in {_secs(job.wall_secs or 0)}</div>'


def _stacked(stages: Mapping[str, float]) -> str:
    """A bar of stages; each says its own when it is pointed at."""
    total = sum(stages.get(stage, 0.0) for stage in _STAGES) or 1.0
    pieces = "".join(
        f'<i class="{stage}" style="width:{100 * stages[stage] / total:.2f}%" '
        f'title="{_STAGES[stage]}: {_secs(stages[stage])}"></i>'
        for stage in _STAGES
        if stages.get(stage)
    )
    return f'<div class="bar">{pieces}</div>'


def _mouth(job: JobRecord) -> str:
    if job.mouth_is_still:
        return '<span class="pill still">does not move</span>'
    if job.mouth is None:
        return '<span class="soft">not measured</span>'
    if job.mouth.moved is None:
        return '<span class="soft">no speech</span>'
    share = 100 * min(1.0, job.mouth.moved / _FULL_MOTION)
    follows = job.mouth.follows
    said = "" if follows is None else f", follows the speech by {follows:.2f}"
    return (
        f'<span class="nowrap">moves by {job.mouth.moved:.1f}</span>'
        f'<div class="bar"><i class="moves" style="width:{share:.0f}%"></i></div>'
        f'<div class="soft small">levels of 255 in 80 ms{said}</div>'
    )


def _link(job: JobRecord) -> str:
    """Of the video, from the page's folder on; a colon in its name names no protocol."""
    path = Path(job.output)
    return escape(
        path.as_uri() if path.is_absolute() else quote(str(path).encode(errors="surrogateescape"))
    )


def _text(text: str | None) -> str:
    return escape(printable(text or "", 2000))


def _rate(text: str) -> str:
    try:
        return f"{float(Fraction(text)):.3f}".rstrip("0").rstrip(".")
    except (ValueError, ZeroDivisionError):
        return text


def _secs(secs: float) -> str:
    """`7.1 s`, `12:05 min`, `1:02:05 h`."""
    if secs < 59.95:
        return f"{secs:.1f} s"
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
