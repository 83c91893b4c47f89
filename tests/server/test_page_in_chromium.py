"""The page in Debian's Chromium, as somebody uses it: files dropped, faces chosen, keys typed."""

from __future__ import annotations

import asyncio
import base64
import io
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from chromium import CHROMIUM, Page, chromium
from PIL import Image
from server_process import Process, client_of, frames_of, pixels, running, speech

from musetalk_fast.media.image import load_still
from musetalk_fast.server.full_frame_paster import FullFramePaster
from musetalk_fast.types import Face
from musetalk_fast.wire.messages import FaceMessage

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

ROOT = Path(__file__).parents[2]
PORTRAIT, SPEECH = ROOT / "examples/portrait.png", ROOT / "examples/speech.wav"
SHORT, OTHER = ROOT / "tests/data/short.wav", ROOT / "tests/data/grace_hopper.jpg"
WATCH = Path(__file__).with_name("page_watch.js").read_text()

READY = "!document.querySelector('#speak').disabled"
DONE = "!document.querySelector('#result').hidden"
ARRIVING = "parseInt(document.querySelector('#arriving').textContent) > 0"
PROBLEM = "!document.querySelector('#problem').hidden"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with chromium() as opened:
        await opened.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        yield opened
        assert not opened.complaints


async def _open(page: Page, address: str) -> None:
    await page.open(f"{address}/")
    await page.until("!document.querySelector('#engine').hidden")


async def _speak(page: Page) -> None:
    await page.until(READY)
    await page.click("#speak")
    await page.until(f"{DONE} || {PROBLEM}")
    await page.run("watched.isOver = true")


async def _problem(page: Page) -> str:
    await page.until(PROBLEM)
    return await page.text("#problem")


@pytest.mark.realtime
async def test_the_example_speaks_in_step_with_its_sound(page: Page, preview_server: str) -> None:
    await _open(page, preview_server)
    await page.run("watched.place = [182, 100, 80, 90]")
    await page.drop(PORTRAIT, SPEECH)
    await _speak(page)
    assert await page.text("#status") == "Done."
    seen, pictures = await page.run("[watched.seen, watched.pictures.size]")
    due = len({int(time * 25) for time, _ in seen if time < 178 / 25})
    figures = await page.text("#figures")
    print(f"{pictures} pictures, {due} frames due at {len(seen)} ticks; {figures!r}")
    origins = {url.split("/")[2] for url in page.requests if url.startswith("http")}
    assert origins == {preview_server.removeprefix("http://")}
    command = (await page.text("#command")).replace("\\\n", "").split()
    assert command[:4] == ["musetalk-fast", "render", "-s", preview_server]
    assert command[4:] == ["-i", "portrait.png", "-a", "speech.wav", "-o", "portrait.mp4"]
    await _check_last_picture(page, preview_server)
    # In pauses of the speech some are alike: 150 of 178 are not.
    assert due > 100
    assert pictures >= 0.8 * due


async def _check_last_picture(page: Page, address: str) -> None:
    """It is what the package itself makes of the same crop, as near as JPEG and 8 bits go."""
    shown = (await _pixels(page)).astype(int)
    options = {"face": "0"}
    async with client_of(address) as client:
        members = {"avatar": PORTRAIT.read_bytes(), "audio": SPEECH.read_bytes()}
        body = await client.frames_body(177, 178, sources=[[0, 0, 1]], options=options, **members)
        (crop,) = frames_of(await client.messages("/v1/frames", body))
        asked = {"avatar": body["avatar"], "options": options}
        found = await client.messages("/v1/avatars", asked)
    (face,) = (each for each in found if isinstance(each, FaceMessage))
    assert None not in (face.box, face.mask_box)
    assert face.mask is not None
    picture = load_still(PORTRAIT, background="white", resolution=None).rgb
    placed = Face(source=0, box=face.box, mask_box=face.mask_box, mask=face.mask)
    expected = FullFramePaster(picture, placed).frame(pixels(crop))
    difference = np.abs(shown - expected)
    x, y, width, height = face.mask_box
    inside = difference[y : y + height, x : x + width]
    assert difference.sum() == inside.sum()
    print(f"the mouth differs by {inside.mean():.2f} levels, at most {inside.max()}")
    assert inside.mean() < 2
    moved = np.abs(picture.astype(int) - expected)[y : y + height, x : x + width]
    assert inside.mean() < moved.mean() / 2


@pytest.fixture
def pattern() -> Any:
    """A server whose crops say which frame they are: by three steps of red each."""
    with running(engine={"step": 3}) as process:
        yield process


def _clicks(folder: Path) -> Path:
    """3 s with a click each half second."""
    samples = np.zeros(48_000, np.int16)
    for at in range(8_000, 48_000, 8_000):
        samples[at : at + 80] = 20_000
    path = folder / "clicks.wav"
    path.write_bytes(speech(3.0)[:44] + samples.tobytes())
    return path


@pytest.mark.realtime
async def test_what_is_shown_and_what_is_recorded_is_in_step(
    page: Page, pattern: Process, tmp_path: Path
) -> None:
    await _open(page, pattern.address)
    await page.drop(PORTRAIT, _clicks(tmp_path))
    await _speak(page)
    seen = await page.run("watched.seen")
    late = [time - (round(red / 3) + 0.5) / 25 for time, red in seen if 0 < red < 225]
    assert len({round(red / 3) for _, red in seen}) > 30
    print(f"shown {_spread(late)} ms behind the middle of their time")
    assert abs(statistics.median(late)) < 0.08
    data = await page.run("blobText(watched.blobs.find((blob) => blob.type.includes('webm')))")
    pictures, clicks = _read_webm(base64.b64decode(data))
    video = [time - round(red / 3) / 25 for time, red in pictures if 0 < red < 225]
    audio = [time - 0.5 * (number + 1) for number, time in enumerate(clicks)]
    print(f"recorded pictures {_spread(video)} ms, clicks {_spread(audio)} ms")
    assert len(audio) == 5
    assert abs(statistics.median(video) - statistics.median(audio)) < 0.08
    # An encoder that holds frames back loses the last ones: VP8 six.
    assert max(red for _, red in pictures) >= max(red for _, red in seen) - 3


def _spread(secs: list[float]) -> str:
    low, middle, high = np.percentile(secs, [5, 50, 95]) * 1000
    return f"{low:.0f} to {high:.0f}, median {middle:.0f}"


def _read_webm(data: bytes) -> tuple[list[tuple[float, int]], list[float]]:
    """When which red was shown in the middle, and when there was a click."""
    pictures, samples = [], []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                rgb = frame.to_ndarray(format="rgb24")
                pictures.append(
                    (float(frame.time or 0), int(rgb[len(rgb) // 2 + 8, rgb.shape[1] // 2, 0]))
                )
            else:
                sound = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
                times = float(frame.time or 0) + np.arange(len(sound)) / frame.sample_rate
                samples.append(np.stack([times, sound]))
    times, sound = np.concatenate(samples, axis=1)
    loud = times[sound > sound.max() / 3]
    clicks = [float(loud[0]), *map(float, loud[1:][np.diff(loud) > 0.2])]
    return pictures, clicks


async def test_faces_are_chosen_by_click_and_by_key(
    page: Page, preview_server: str, tmp_path: Path
) -> None:
    both = _side_by_side(tmp_path / "it's two.png")
    await _open(page, preview_server)
    await page.drop(both, SHORT)
    await page.until("document.querySelectorAll('#faces button').length == 2")
    assert "2 faces" in await page.text("#portrait-note")
    pressed = "[...document.querySelectorAll('#faces button')].map((b) => b.ariaPressed)"
    await page.run("document.querySelector('#faces button').focus()")
    await page.press("Enter", 13, "\r")
    assert await page.run(pressed) == ["true", "false"]
    await page.click("#faces button:nth-child(2)")
    assert await page.run(pressed) == ["false", "true"]
    before = await _pixels(page)
    await _speak(page)
    after = await _pixels(page)
    changed = np.flatnonzero((before != after).any(axis=(0, 2)))
    assert changed.min() > 512, "the face that was not chosen moved"
    command = await page.text("#command")
    assert "-i 'it'\\''s two.png' --face 1 \\\n" in command


def _side_by_side(path: Path) -> Path:
    """A picture of two faces."""
    with Image.open(PORTRAIT) as left, Image.open(OTHER) as right:
        picture = Image.new("RGB", (512 + right.width, 512))
        picture.paste(left)
        picture.paste(right, (512, 0))
        picture.save(path)
    return path


async def _pixels(page: Page) -> np.ndarray:  # type: ignore[type-arg]
    data = await page.run("document.querySelector('#canvas').toDataURL().split(',')[1]")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture.convert("RGB"))


async def test_files_that_cannot_be_used_are_explained(
    page: Page, preview_server: str, tmp_path: Path
) -> None:
    text, sky = tmp_path / "notes.txt", tmp_path / "sky.png"
    text.write_text("no picture")
    Image.new("RGB", (200, 200), "skyblue").save(sky)
    await _open(page, preview_server)
    for where, said in (
        ("#portrait", "is no picture that this browser can show"),
        ("#recording", "is no recording that this browser can play"),
    ):
        await page.run("document.querySelector('#problem').hidden = true")
        await page.choose(where, text)
        problem = await _problem(page)
        assert said in problem
        assert "musetalk-fast render takes" in problem
    await page.run("document.querySelector('#problem').hidden = true")
    await page.drop(text)
    assert "neither a picture nor a recording" in await _problem(page)
    await page.run("document.querySelector('#problem').hidden = true")
    await page.choose("#portrait", sky)
    problem = await _problem(page)
    assert "No face found" in problem
    assert "Use a picture from the front" in problem
    assert await page.run("document.querySelector('#speak').disabled")


async def test_of_two_pictures_dropped_together_one_is_shown_with_its_own_faces(
    page: Page, preview_server: str, tmp_path: Path
) -> None:
    both = _side_by_side(tmp_path / "two.png")
    await _open(page, preview_server)
    await page.run(_FIRST_SEARCH_IS_SLOW)
    await page.drop(both, PORTRAIT)
    await page.until("window.slow?.isOver")
    await page.until("document.querySelector('#status').textContent == 'Now a recording.'", 240)
    name = await page.text("#portrait-note")
    buttons = await page.run("document.querySelectorAll('#faces button').length")
    assert (name.split(",")[0], buttons) in (("two.png", 2), ("portrait.png", 0))


_FIRST_SEARCH_IS_SLOW = """
const ask = window.fetch;
window.fetch = async (url, options) => {
  if (!String(url).endsWith("/v1/avatars") || window.slow) return ask(url, options);
  window.slow = {};
  await new Promise((done) => {
    setTimeout(done, 3000);
    options.signal.addEventListener("abort", done);
  });
  const answer = ask(url, options);
  answer.catch(() => {}).then(() => setTimeout(() => (window.slow.isOver = true), 2000));
  return answer;
};
undefined
"""


async def test_what_the_browser_or_the_server_lacks_is_done_without_or_said(
    page: Page, preview_server: str
) -> None:
    await _open(page, preview_server)
    await page.run("MediaRecorder.prototype.start = () => { throw new Error('no codec') }; 0")
    await page.drop(PORTRAIT, SHORT)
    await _speak(page)
    assert await page.text("#status") == "Done."
    assert await page.run("document.querySelector('#video').hidden")
    await page.run("window.fetch = async () => new Response('', { status: 404 }); 0")
    await page.click("#example")
    assert "The server does not send portrait.jpg." in await _problem(page)


async def test_a_server_that_is_full_and_one_that_goes_in_the_middle(page: Page) -> None:
    slow = {"throughput": 20.0}
    with running(limits={"max_streams": 1}, engine=slow) as process:
        await _open(page, process.address)
        await page.drop(PORTRAIT, SPEECH)
        await page.until(READY)
        async with client_of(process.address) as client:
            body = await client.frames_body(0, 100_000)
            async with client.post("/v1/frames", body):
                await page.click("#speak")
                problem = await _problem(page)
        assert "All 1 streams are in use." in problem
        assert "Try again in a moment. (MTF-BUSY)" in problem
        for _ in range(100):
            await page.click("#speak")
            await page.until(f"{PROBLEM} || {ARRIVING}")
            if not await page.run(PROBLEM):
                break
        process.child.kill()
        problem = await _problem(page)
        assert "after" in problem
        assert "of 178 frames" in problem
        assert "serve` still running?" in problem
        page.complaints.clear()


@asynccontextmanager
async def _proxy(address: str) -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """The address of something between browser and server, and its connections, to be cut."""
    writers: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(address.rpartition(":")[2])
        there = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, there[1]))
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", writers
    finally:
        server.close()


async def test_a_stream_that_is_cut_goes_on(page: Page) -> None:
    with running(engine={"throughput": 30.0}) as process:
        async with _proxy(process.address) as (address, writers):
            await _open(page, address)
            await page.drop(PORTRAIT, SHORT)
            await page.until(READY)
            await page.click("#speak")
            await page.until(ARRIVING)
            for writer in writers:
                writer.close()
            await page.until("document.querySelector('#status').textContent.includes('again')")
            await page.until(f"{DONE} || {PROBLEM}")
            assert await page.text("#status") == "Done."


async def test_a_key_is_asked_for_and_kept_nowhere(page: Page) -> None:
    with running(api_key="open-sesame") as process:
        await page.open(f"{process.address}/")
        await page.until("!document.querySelector('#key-form').hidden")
        assert await page.run("document.activeElement.id") == "key"
        for key, until in (
            ("wrong", "document.querySelector('#key-note').textContent.includes('not this')"),
            ("open-sesame", "!document.querySelector('#engine').hidden"),
        ):
            await page.call("Input.insertText", text=key)
            await page.press("Enter", 13, "\r")
            await page.until(until)
        await page.drop(PORTRAIT, SHORT)
        await _speak(page)
        assert await page.text("#status") == "Done."
        assert "--api-key-file key.txt" in await page.text("#command")
        kept = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
        assert "sesame" not in await page.run(kept)
        assert not [url for url in page.requests if "sesame" in url]


async def test_the_microphone(page: Page, preview_server: str) -> None:
    await _open(page, preview_server)
    await page.drop(PORTRAIT)
    await page.click("#microphone")
    await page.until("document.querySelector('#microphone').ariaPressed == 'true'")
    await asyncio.sleep(1)
    await page.click("#microphone")
    await page.until("document.querySelector('#recording-note').textContent.includes('.wav')")
    await _speak(page)
    assert await page.text("#status") == "Done."
    assert not await page.run("document.querySelector('#wav').hidden")
    # The server took it: a WAV of 16 kHz, and what is saved is the same.
    data = await page.run("blobText(watched.blobs.at(-1))")
    with av.open(io.BytesIO(base64.b64decode(data))) as container:
        sound = container.streams.audio[0]
        assert (sound.rate, sound.channels, sound.codec_context.name) == (16000, 1, "pcm_s16le")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_and_a_keyboard_are_enough(
    page: Page, preview_server: str, scheme: str
) -> None:
    await page.size(360, 740)
    await page.dark(f"prefers-color-scheme:{scheme}", "prefers-reduced-motion:reduce")
    await _open(page, preview_server)
    reached = []
    for _ in range(7):
        await page.press("Tab", 9)
        reached.append(await page.run("document.activeElement.id"))
    assert [name for name in reached if name] == ["example", "portrait", "recording", "microphone"]
    await page.run("document.querySelector('#example').focus()")
    await page.press("Enter", 13, "\r")
    await page.until(f"{DONE} || {PROBLEM}", 120)
    assert await page.text("#status") == "Done."
    assert await page.run("document.documentElement.scrollWidth") == 360
    assert await page.run(_CONTRAST) > 4.5


_CONTRAST = """
(() => {
  const light = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : colour;
  };
  let least = 21;
  for (const element of document.querySelectorAll("h1, h2, p, dt, dd, label, button, code, a")) {
    if (!element.checkVisibility() || !element.innerText.trim() || element.disabled) continue;
    const both = [light(getComputedStyle(element).color), light(ground(element))].sort();
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    least = Math.min(least, ratio);
  }
  return least;
})()
"""
