"""The report of a batch as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from musetalk_fast._version import __version__
from musetalk_fast.batching.report import JobRecord, Report
from musetalk_fast.batching.report_folder import GENERATOR
from musetalk_fast.batching.report_style import STYLE
from musetalk_fast.batching.report_text import (
    name_html,
    rate_text,
    secs_text,
    size_text,
    text_html,
)
from musetalk_fast.wire.printable import escape_surrogates

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

_MOST_SERVERS = 3
"""In one line with the date; those of a cluster are folded away."""
_MOST_CONCERNS = 20
"""Where all jobs fail, the table says so as well."""

_PLACE = "job-"
"""Of a row, with its number."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_to_html(report: Report, thumbnails: Mapping[str, bytes]) -> str:
    """The page.

    Args:
        thumbnails: JPEGs by the name of the job.
    """
    parts = (*_head(report), *_tiles(report), *_attention(report.jobs), *_time(report.jobs))
    rows = (*_table("Videos", report.jobs, thumbnails, _PLACE),)
    earlier = (*_table("Of earlier batches", report.earlier, thumbnails, "earlier-"),)
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
    facts = [report.began.replace("T", " ").replace("+00:00", " UTC"), secs_text(report.wall_secs)]
    facts += [state[report.state]] if report.state in state else []
    servers = report.servers if len(report.servers) <= _MOST_SERVERS else ()
    yield f'<p class="soft">{text_html("; ".join((*facts, *servers)))}</p>'
    if not servers and report.servers:
        yield f'<details class="soft"><summary>{len(report.servers)} servers</summary><ul>'
        yield from (f"<li>{text_html(each)}</li>" for each in report.servers)
        yield "</ul></details>"


def _tiles(report: Report) -> Iterator[str]:
    yield '<div class="tiles">'
    for state, count in report.counts().items():
        yield _tile(str(count), _WORDS[state], state)
    if still := sum(job.mouth_is_still for job in report.jobs):
        yield _tile(str(still), "mouths that do not move", "still")
    secs = sum(job.duration_secs or 0 for job in report.jobs)
    yield _tile(secs_text(secs), "of video")
    frames = sum(job.frames or 0 for job in report.jobs if job.state == "done")
    if frames and report.wall_secs > 0:
        yield _tile(f"{frames / report.wall_secs:.0f}", "frames a second, all in all")
    yield "</div>"


def _tile(figure: str, what: str, kind: str = "") -> str:
    return (
        f'<div class="tile {kind}"><b>{text_html(figure)}</b><span class="soft">{what}</span></div>'
    )


def _attention(jobs: Sequence[JobRecord]) -> Iterator[str]:
    """What somebody has to look at, before everything else."""
    found = [
        (number, job)
        for number, job in enumerate(jobs)
        if job.state == "failed" or job.mouth_is_still
    ]
    if found:
        yield '<section class="attention"><h2>Look at these</h2><ul>'
        yield from (_concern(number, job) for number, job in found[:_MOST_CONCERNS])
        yield "</ul>"
        if len(found) > _MOST_CONCERNS:
            yield f"<p>{len(found) - _MOST_CONCERNS} more are red in the table</p>"
        yield "</section>"


def _concern(number: int, job: JobRecord) -> str:
    if job.error is not None:
        what = f"{job.error['message']} ({job.error['token']})"
    else:
        what = "there is speech, and the mouth does not move (MTF-MOUTH-STILL)"
    return (
        f'<li><a href="#{_PLACE}{number}"><b>{name_html(job.name)}</b></a>: {text_html(what)}</li>'
    )


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
        yield f'<span><i class="{stage}"></i>{_STAGES[stage]} {secs_text(secs)}</span>'
    yield "</div>"


def _table(
    title: str, jobs: Sequence[JobRecord], thumbnails: Mapping[str, bytes], place: str
) -> Iterator[str]:
    if not jobs:
        return
    yield f"<h2>{title}</h2><table><thead><tr><th></th><th>video</th><th>length</th>"
    yield "<th>speed</th><th>time</th><th>mouth</th></tr></thead><tbody>"
    for number, job in enumerate(jobs):
        kind = "failed" if job.state == "failed" else "still" if job.mouth_is_still else ""
        yield f'<tr class="{kind}" id="{place}{number}">{_thumbnail(job, thumbnails)}{_what(job)}'
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
    name = f'<span class="name">{name_html(job.name)}</span>'
    if is_there:
        name = f'<a class="name" href="{_link(job)}">{name_html(job.name)}</a>'
    files = " + ".join(name_html(Path(each).name) for each in (job.avatar, job.audio))
    notes = [f"<li>{text_html(message)}</li>" for _, message in job.warnings]
    if job.error is not None:
        notes = [f'<li class="bad">{line}</li>' for line in _error_lines(job.error)] + notes
    listed = f'<ul class="notes">{"".join(notes)}</ul>' if notes else ""
    pill = f'<span class="pill {escape(job.state)}">{_WORDS.get(job.state, "")}</span>'
    cell = '<td class="what">' if job.frames else '<td class="what alone" colspan="5">'
    return f'{cell}{name} {pill}<div class="soft small">{files}</div>{listed}</td>'


def _error_lines(error: Mapping[str, str | None]) -> Iterator[str]:
    yield f"{text_html(error['message'])} <code>{text_html(error['token'])}</code>"
    for name in ("where", "hint"):
        if error.get(name):
            yield text_html(error[name])


def _length(job: JobRecord) -> str:
    facts = [f"{job.frames} frames"]
    if job.width and job.height:
        facts.append(f"{job.width}×{job.height}")
    if job.fps:
        facts.append(f"{rate_text(job.fps)} fps")
    if job.bytes:
        facts.append(size_text(job.bytes))
    about = text_html(", ".join(facts))
    return f'{secs_text(job.duration_secs or 0)}<div class="soft small">{about}</div>'


def _speed(job: JobRecord) -> str:
    fps = f'<span class="nowrap">{job.render_fps:.0f} fps</span>' if job.render_fps else ""
    return f'{fps}<div class="soft small">in {secs_text(job.wall_secs or 0)}</div>'


def _stacked(stages: Mapping[str, float]) -> str:
    """A bar of stages; each says its own when it is pointed at."""
    total = sum(stages.get(stage, 0.0) for stage in _STAGES) or 1.0
    pieces = "".join(
        f'<i class="{stage}" style="width:{100 * stages[stage] / total:.2f}%" '
        f'title="{_STAGES[stage]}: {secs_text(stages[stage])}"></i>'
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
