"""`models pull` against a small hub: whole, right, continued, and nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub, blob_name, sha256

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.events import Event, WarningEvent, WeightsEvent
from musetalk_fast.models.hub_access import HubAccess, hub_access
from musetalk_fast.models.hub_answers import redirect_target
from musetalk_fast.models.inventory import (
    FileState,
    faults,
    inventory,
    raise_for_faults,
    verify,
)
from musetalk_fast.models.published_files import (
    DRAFT,
    FACE_PARSER,
    MUSETALK_10_UNET,
    MUSETALK_15,
    OPTIONAL,
)
from musetalk_fast.models.pull import Pulled, pull
from musetalk_fast.models.pull_record import RecordedFile, read_record, write_record
from musetalk_fast.storage import FolderLock

SMALL, UNET = MUSETALK_15[0], MUSETALK_15[-1]
UNET_PART = "unet.pth.*.part"


class Puller:
    """Pulls into one folder, without a wait between attempts."""

    def __init__(self, hub: LoopbackHub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.events: list[Event] = []
        self.pauses: list[float | None] = []
        self.published = (SMALL, UNET)

    async def __call__(self, *, token: str | None = None, silence_secs: float = 5) -> Pulled:
        access = HubAccess(parse_address(self.hub.endpoint), token)

        def pause(_failures: int, asked: float | None) -> float:
            self.pauses.append(asked)
            return 0

        return await pull(
            self.folder,
            access,
            self.events.append,
            files=self.published,
            pause=pause,
            silence_secs=silence_secs,
        )

    @property
    def unet(self) -> Path:
        return self.folder / UNET.name

    def files(self) -> set[str]:
        found = {str(each.relative_to(self.folder)) for each in self.folder.rglob("*")
                 if not each.is_dir()}  # fmt: skip
        return found - {".musetalk-fast/lock", ".musetalk-fast/pulled.json"}


@pytest.fixture
def puller(hub: LoopbackHub, tmp_path: Path) -> Puller:
    return Puller(hub, tmp_path / "models")


async def test_a_pull_brings_what_is_published_and_records_it(puller: Puller) -> None:
    puller.published = MUSETALK_15
    done = await puller(token="hf_secret")
    hub = puller.hub
    assert puller.files() == {file.name for file in MUSETALK_15} == set(done.brought)
    assert all((puller.folder / file.name).read_bytes() == hub.of(file) for file in MUSETALK_15)
    record = read_record(puller.folder)
    assert record[UNET.name] == RecordedFile(
        name=UNET.name,
        size=len(hub.of(UNET)),
        sha256=sha256(hub.of(UNET)),
        origin=f"{UNET.repository}@{UNET.revision}",
        etag=sha256(hub.of(UNET)),
    )
    assert record[SMALL.name].etag == blob_name(hub.of(SMALL))
    assert record[SMALL.name].sha256 == sha256(hub.of(SMALL))
    weights = [each for each in puller.events if isinstance(each, WeightsEvent)]
    assert (
        (weights[-1].stage, weights[-1].done) == ("pull", weights[-1].total) == ("pull", done.bytes)
    )
    # Only the hub is shown the token, and nobody else learns of a compressed length.
    shown = {headers["from"]: headers.get("Authorization") for _, _, headers in hub.asked}
    assert shown == {"hub": "Bearer hf_secret", "storage": None}
    assert {headers["Accept-Encoding"] for _, _, headers in hub.asked} == {"identity"}
    assert not hub.requests("HEAD", "storage")  # a redirect has said all

    hub.asked.clear()
    again = await puller()
    assert (again.brought, len(again.kept), again.bytes) == ((), len(MUSETALK_15), 0)
    assert not hub.requests("GET", "hub")
    assert {entry.state for entry in verify(puller.folder)} == {FileState.WHOLE}


async def test_a_cut_body_is_continued_where_it_ended(puller: Puller) -> None:
    hub = puller.hub
    hub.get_statuses = [500]
    hub.cuts = [3, 2, 10**6, 9000, 5000]
    await puller()
    assert puller.unet.read_bytes() == hub.of(UNET)
    assert hub.bytes_sent == len(hub.of(SMALL)) + len(hub.of(UNET))  # none twice
    warned = [each.message for each in puller.events if isinstance(each, WarningEvent)]
    assert len(warned) == 5
    assert "answered 500: asked again in 0.0 s" in warned


async def test_an_interrupted_pull_is_continued_by_the_next(puller: Puller) -> None:
    hub = puller.hub
    hub.cuts = [10**6, 9000]
    hub.get_statuses = [200, 200, *[500] * 7]
    with pytest.raises(errors.HubUnreachableError, match="answered 500") as caught:
        await puller()
    assert "what came is kept" in (caught.value.hint or "")
    (part,) = puller.unet.parent.glob(UNET_PART)
    assert part.read_bytes() == hub.of(UNET)[:9000]
    entry = {each.name: each for each in inventory(puller.folder)}[UNET.name]
    assert (entry.state, entry.size) == (FileState.PARTIAL, 9000)
    hub.get_statuses.clear()
    hub.bytes_sent = 0
    done = await puller()
    assert done.brought == (UNET.name,)
    assert puller.unet.read_bytes() == hub.of(UNET)
    assert hub.bytes_sent == len(hub.of(UNET)) - 9000
    assert UNET.name in puller.files()
    assert not list(puller.unet.parent.glob(UNET_PART))


async def test_a_hub_without_ranges_is_asked_for_all(puller: Puller) -> None:
    puller.hub.knows_ranges = False
    puller.hub.cuts = [2]
    await puller()
    assert (puller.folder / SMALL.name).read_bytes() == puller.hub.of(SMALL)


async def test_what_a_power_cut_has_damaged_is_brought_again(puller: Puller) -> None:
    await puller()
    data = puller.hub.of(UNET)
    part = puller.unet.with_name(f"unet.pth.{sha256(data)[:12]}.part")
    puller.unet.rename(part)
    part.write_bytes(bytes(5000) + data[5000:8000])
    await puller()
    assert puller.unet.read_bytes() == data


async def test_other_bytes_than_the_hub_says_never_come_into_place(puller: Puller) -> None:
    path = f"/{UNET.repository}/resolve/{UNET.revision}/{UNET.path}"
    puller.hub.changed = {path: puller.hub.of(UNET)[::-1]}
    with pytest.raises(errors.HubError, match="not what it says of it"):
        await puller()
    assert puller.files() == {SMALL.name}  # those that are right stay
    puller.hub.changed = {path: puller.hub.of(UNET) + b"more"}
    with pytest.raises(errors.HubError, match="more than the"):
        await puller()


@pytest.mark.parametrize(
    ("heads", "gets", "kind", "asked"),
    [
        ([401], [], errors.HubAccessError, 0),
        ([403], [], errors.HubAccessError, 0),
        ([404], [], errors.HubError, 0),
        ([200] * 2, [404], errors.HubError, 0),
        ([200] * 2, [401], errors.HubAccessError, 0),
        ([200] * 2, [429] * 7, errors.HubBusyError, 6),
        ([200] * 2, [503] * 7, errors.HubBusyError, 6),
        ([503] * 7, [], errors.HubBusyError, 6),
        ([418], [], errors.HubError, 0),
    ],
)
async def test_refusals_are_said_and_asked_again_only_where_that_helps(
    puller: Puller, heads: list[int], gets: list[int], kind: type[Exception], asked: int
) -> None:
    puller.hub.head_statuses, puller.hub.get_statuses = heads, gets
    with pytest.raises(errors.HubError) as caught:
        await puller(token="hf_secret")
    assert type(caught.value) is kind
    assert puller.pauses == [7.0] * asked  # what `Retry-After` says
    shown = f"{caught.value} {caught.value.hint} {puller.events}"
    assert "secret" not in shown
    assert puller.hub.endpoint in shown


async def test_a_silent_hub_is_given_up(puller: Puller) -> None:
    puller.hub.silent = True
    with pytest.raises(errors.HubUnreachableError, match=r"silent for 0\.05 s"):
        await puller(silence_secs=0.05)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-Repo-Commit": "0" * 40}, "another commit"),
        ({"X-Repo-Commit": None}, "no commit"),
        ({"ETag": None, "X-Linked-ETag": None}, "no digest"),
        ({"ETag": '"abc"', "X-Linked-ETag": '"abc"'}, "no digest"),
        ({"X-Linked-Size": str(1 << 50)}, "said to have 1125899906842624 bytes, not about"),
        ({"X-Linked-Size": "-1"}, "said to have -1 bytes"),
        ({"X-Linked-Size": "0"}, "said to have 0 bytes"),
    ],
)
async def test_metadata_that_cannot_be_is_refused_before_anything_comes(
    puller: Puller, headers: dict[str, str | None], words: str
) -> None:
    puller.hub.overridden = headers
    with pytest.raises(errors.HubError, match=words):
        await puller()
    assert puller.files() == set()
    assert not puller.hub.requests("GET", "hub")


@pytest.mark.parametrize(
    ("target", "words"),
    [("", "nowhere"), ("ftp://x/y", "nowhere"), ("//[", "nowhere"), ("/again", "redirects")],
)
async def test_redirects_that_lead_nowhere(puller: Puller, target: str, words: str) -> None:
    puller.hub.redirects_to = target
    with pytest.raises(errors.HubError, match=words):
        await puller()


def test_a_redirect_never_leaves_tls() -> None:
    with pytest.raises(errors.HubError, match="from https to http"):
        redirect_target(302, "http://b/c", "https://a/b", "a")
    assert redirect_target(307, "/c", "https://a/b", "a") == "https://a/c"
    # However it is written: only `CONNECT` may show a proxy's password on the way to TLS.
    assert redirect_target(302, "HTTPS://b/c", "http://a/b", "a") == "https://b/c"
    assert redirect_target(200, "/c", "https://a/b", "a") is None


async def test_a_folder_that_was_filled_elsewhere_is_compared_and_kept(puller: Puller) -> None:
    hub = puller.hub
    puller.published = MUSETALK_15
    for file in MUSETALK_15[1:]:
        path = puller.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.of(file))
    store = puller.folder.parent / "store"
    puller.unet.rename(store)
    puller.unet.symlink_to(store)  # as the cache of other programs has it
    assert "never compared with the hub" in faults(list(verify(puller.folder)))
    done = await puller()
    assert done.brought == (SMALL.name,)
    assert puller.unet.is_symlink()
    assert not faults(list(verify(puller.folder)))
    store.write_bytes(hub.of(UNET)[::-1])
    assert faults(list(verify(puller.folder))) == f"changed since they were recorded: {UNET.name}"


async def test_other_files_are_named_and_left(puller: Puller) -> None:
    puller.unet.parent.mkdir(parents=True)
    puller.unet.write_bytes(puller.hub.of(MUSETALK_10_UNET))
    config = puller.folder / SMALL.name
    config.write_bytes(b"{}")
    with pytest.raises(errors.WeightsDifferError) as caught:
        await puller()
    assert "musetalkV15/unet.pth holds the weights of MuseTalk 1.0" in caught.value.message
    assert f"{SMALL.name} has another content" in caught.value.message
    assert config.read_bytes() == b"{}"
    assert not puller.hub.requests("GET", "hub")


@pytest.mark.parametrize("planted", ["folder", "dangling", "pipe"])
async def test_what_is_no_file_is_left(puller: Puller, planted: str) -> None:
    puller.unet.parent.mkdir(parents=True)
    if planted == "folder":
        puller.unet.mkdir()
    elif planted == "pipe":
        os.mkfifo(puller.unet)
    else:
        puller.unet.symlink_to(puller.folder.parent / "elsewhere")
    with pytest.raises(errors.WeightsMissingError, match=r"regular file|No such file"):
        await puller()
    assert not (puller.folder.parent / "elsewhere").exists()
    assert not puller.hub.requests("GET", "hub")


async def test_a_link_in_place_of_the_unfinished_file_is_not_followed(puller: Puller) -> None:
    victim = puller.folder.parent / "victim"
    victim.write_bytes(b"mine")
    puller.unet.parent.mkdir(parents=True)
    digest = sha256(puller.hub.of(UNET))[:12]
    puller.unet.with_name(f"unet.pth.{digest}.part").symlink_to(victim)
    with pytest.raises(errors.OutputPlaceError, match="a link"):
        await puller()
    assert victim.read_bytes() == b"mine"


async def test_a_disk_too_small_is_said_before_anything_comes(
    puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(64 << 20))
    with pytest.raises(errors.OutputWriteError, match="bytes are to come, and 67108864 are free"):
        await puller()
    assert not puller.hub.requests("GET", "hub")


async def test_a_second_pull_is_refused_while_one_is_at_work(puller: Puller) -> None:
    puller.folder.mkdir()
    lock = FolderLock(puller.folder / ".musetalk-fast")
    assert lock.acquire()
    with pytest.raises(errors.OutputBusyError, match="another pull"):
        await puller()
    lock.release()
    await puller()


async def test_converted_weights_stand_for_the_pickles_that_are_gone(puller: Puller) -> None:
    await puller()
    other = puller.unet.with_suffix(".safetensors")
    other.write_bytes(b"of the same numbers")
    record = read_record(puller.folder)
    record["musetalkV15/unet.safetensors"] = RecordedFile(
        name="musetalkV15/unet.safetensors",
        size=len(b"of the same numbers"),
        sha256=sha256(b"of the same numbers"),
        origin=UNET.name,
        etag=sha256(puller.hub.of(UNET)),
    )
    write_record(puller.folder, record)
    puller.unet.unlink()
    assert (await puller()).brought == ()
    assert "unet" not in faults(list(verify(puller.folder)))
    other.write_bytes(b"of other numbers...")
    assert "unet.safetensors" in faults(list(verify(puller.folder)))


@pytest.mark.parametrize("is_gone", [False, True])
async def test_what_was_converted_of_another_file_is_said(puller: Puller, is_gone: bool) -> None:
    await puller()
    other = puller.unet.with_suffix(".safetensors")
    other.write_bytes(b"of an older file")
    name = "musetalkV15/unet.safetensors"
    record = read_record(puller.folder)
    digest = sha256(b"of an older file")
    record[name] = RecordedFile(
        name=name, size=16, sha256=digest, origin=UNET.name, etag=sha256(b"an older file")
    )
    write_record(puller.folder, record)
    if is_gone:
        puller.unet.unlink()
    puller.events.clear()
    assert (await puller()).brought == (UNET.name,) * is_gone
    (warning,) = [each for each in puller.events if isinstance(each, WarningEvent)]
    assert warning.token == "MTF-WEIGHTS-DIFFER"
    assert warning.message.startswith(f"{name} was made of another {UNET.name}")
    assert other.read_bytes() == b"of an older file"


async def test_what_is_optional_is_pulled_where_it_is_asked_for(puller: Puller) -> None:
    puller.published = MUSETALK_15
    await puller()
    states = {each.name: each.state for each in inventory(puller.folder)}
    assert {states[file.name] for file in OPTIONAL} == {FileState.OPTIONAL}
    assert not faults(list(verify(puller.folder)))
    puller.published = (*OPTIONAL, *MUSETALK_15)
    assert (await puller()).brought == tuple(file.name for file in OPTIONAL)
    assert all((puller.folder / each.name).read_bytes() == puller.hub.of(each) for each in OPTIONAL)
    record = read_record(puller.folder)
    (parser,) = FACE_PARSER
    assert record[parser.name].origin == f"{parser.repository}@{parser.revision}"
    assert {each.state for each in verify(puller.folder)} == {FileState.WHOLE}
    weights = puller.folder / DRAFT[1].name
    weights.write_bytes(weights.read_bytes()[::-1])
    found = list(verify(puller.folder))
    assert faults(found) == f"changed since they were recorded: {DRAFT[1].name}"
    with pytest.raises(errors.WeightsDifferError):
        raise_for_faults(puller.folder, found)


async def test_what_is_optional_may_be_anybodys(puller: Puller) -> None:
    """A folder that MuseTalk's own script has filled holds the face parser from another place."""
    await puller()
    puller.published = MUSETALK_15
    await puller()
    path = puller.folder / FACE_PARSER[0].name
    path.parent.mkdir()
    path.write_bytes(b"of another place")
    found = list(verify(puller.folder))
    assert {each.name: each.state for each in found}[FACE_PARSER[0].name] is FileState.THERE
    raise_for_faults(puller.folder, found)
    assert (await puller()).brought == ()
    puller.published = FACE_PARSER
    with pytest.raises(errors.WeightsDifferError, match="another content"):
        await puller()


async def test_a_proxy_is_asked_for_the_hub(
    puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", puller.hub.endpoint)
    monkeypatch.setattr(puller.hub, "endpoint", "http://hub.invalid")
    await puller(token="hf_secret")
    asked = [headers for _, _, headers in puller.hub.asked if headers["from"] == "hub"]
    assert {headers["Host"] for headers in asked} == {"hub.invalid"}
    assert not any("Authorization" in headers for headers in asked)  # it is plain HTTP
    assert any("HF_TOKEN is not sent" in str(each) for each in puller.events)


def test_the_environment_names_hub_and_token() -> None:
    assert (
        hub_access({"HF_ENDPOINT": " ", "HF_TOKEN": ""}).endpoint.base == "https://huggingface.co"
    )
    mirror = hub_access({"HF_ENDPOINT": "https://mirror.example/hf/", "HF_TOKEN": "hf_secret\n"})
    assert (mirror.endpoint.base, mirror.token) == ("https://mirror.example/hf", "hf_secret")
    assert "secret" not in repr(mirror)
    for endpoint in ("mirror.example", "ftp://a", "unix:/a", "https://u:secret@a", "https://a?b"):
        with pytest.raises(errors.InvalidSettingError) as caught:
            hub_access({"HF_ENDPOINT": endpoint})
        assert caught.value.where == "HF_ENDPOINT"
        assert "secret" not in str(caught.value)
    with pytest.raises(errors.InvalidSettingError, match="HF_TOKEN: no token"):
        hub_access({"HF_TOKEN": "a\nb"})


OUTSIDE = {"name": "/etc/passwd", "size": 1, "sha256": "a", "origin": "a", "etag": "a"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"files": [{"name": "../x"}]}', '{"files": 3}', "[" * 100_000),
        json.dumps({"files": [OUTSIDE]}),
    ],
    ids=range(6),
)
def test_a_damaged_record_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / ".musetalk-fast").mkdir()
    (tmp_path / ".musetalk-fast" / "pulled.json").write_text(text)
    with pytest.raises(errors.WeightsFormatError, match="no record of a pull") as caught:
        inventory(tmp_path)
    assert "remove it" in (caught.value.hint or "")
