"""What Chromium's `<video>` shows of finished videos, beside the decoder in PyAV.

Renders a short video of several segments in each file that browsers take, plays it in Chromium
without a window, then seeks each of its frames. Of each it compares the samples of luma and alpha
(WebCodecs hands over what was decoded), and what a canvas of one colour shows with it drawn on top,
as a page does. `shown` is the mean and the largest difference to FFmpeg's RGB, in levels of 255:
chroma is scaled by other filters there. Fails where a sample differs, a frame is not shown at its
time, or `shown` is more than 2 on average.

    python ci/chromium_video.py [-s SERVER] [--chromium COMMAND] [FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiohttp import web
from numpy.typing import NDArray
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
FPS = 25
PAGE_COLOUR = (30, 160, 90)
_MOST_SHOWN = 2.0
_PATIENCE_SECS = 900

Pixels = NDArray[np.uint8]

VIDEOS: dict[str, tuple[str, ...]] = {
    "band.mp4": (),
    "full.mp4": ("--still-rows", "full"),
    "band.mov": (),
    "band.mkv": (),
    "av1.mp4": ("--codec", "av1"),
    "vp9.webm": ("--background", "white"),
    "alpha.webm": ("--background", "transparent"),
    "av1.webm": ("--codec", "av1", "--background", "white"),
    "hevc.mp4": ("--codec", "hevc"),
}
"""The files, and how they are rendered."""

PAGE = """<!doctype html><meta charset=utf-8><title>video</title><body><script>
const once = (target, name) => new Promise((done, failed) => {
  target.addEventListener(name, done, {once: true});
  target.addEventListener("error", () => failed(target.error), {once: true});
});
const within = (promise, secs, what) => Promise.race([promise, new Promise((_, failed) =>
  setTimeout(() => failed(new Error("no " + what)), 10000 * secs))]);
const send = (path, body) => fetch(path, {method: "POST", body});
async function presented(video, index, fps) {
  let shown;
  for (let tries = 0; tries < 500; tries++) {  // it may come after the event that says so
    const frame = new VideoFrame(video);
    shown = Math.round(frame.timestamp / 1e6 * fps);
    if (shown === index) return frame;
    frame.close();
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("frame " + shown + " is shown in the place of frame " + index);
}
async function look({name, frames, fps, colour}) {
  const video = document.createElement("video");
  video.muted = true;
  video.src = "videos/" + name;
  document.body.replaceChildren(video);
  await within(once(video, "loadeddata"), 30, "data");
  const ended = once(video, "ended");
  await video.play();
  await within(ended, 60, "end");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  for (let index = 0; index < frames; index++) {
    const seeked = once(video, "seeked");
    video.currentTime = (index + 0.5) / fps;
    await within(seeked, 30, "frame " + index);
    const frame = await presented(video, index, fps);
    const format = frame.format, shown = new Uint8Array(frame.allocationSize());
    const planes = await frame.copyTo(shown);
    frame.close();
    pen.fillStyle = colour;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(video, 0, 0);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    const head = {name, index, format, planes, width: canvas.width, height: canvas.height,
                  decoded: shown.length};
    await send("frame", new Blob([JSON.stringify(head) + "\\n", shown, pixels]));
  }
  return {name, duration: video.duration};
}
(async () => {
  for (const each of await (await fetch("videos.json")).json()) {
    let said;
    try { said = await look(each); } catch (error) { said = {name: each.name, error: String(
      error.message || error)}; }
    await send("said", JSON.stringify(said));
  }
  await send("end", "");
})();
</script>"""


@dataclass
class Seen:
    """What Chromium has said of a video.

    Attributes:
        luma, alpha: frames whose samples are PyAV's; -1 where there is no such plane.
        shown: mean and largest difference of each frame on the canvas.
        said: of the whole.
    """

    video: Path
    luma: int = 0
    alpha: int = 0
    formats: set[str] = field(default_factory=set)
    shown: list[tuple[float, int]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)


def decoded(video: Path) -> list[av.VideoFrame]:
    """The frames as PyAV has them, alpha included."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        if {**stream.metadata}.keys().isdisjoint(("alpha_mode", "ALPHA_MODE")):
            return list(container.decode(stream))
        context: Any = av.CodecContext.create("libvpx-vp9", "r")
        packets = [packet for packet in container.demux(stream) if packet.size]
        frames = [frame for packet in packets for frame in context.decode(packet)]
        return [*frames, *context.decode(None)]


def plane(frame: av.VideoFrame, number: int) -> Pixels:
    """(H, W) uint8: one plane of 8 bits, of the frame's full size."""
    whole = np.frombuffer(frame.planes[number], np.uint8).reshape(frame.height, -1)
    return whole[:, : frame.width]


def on_colour(frame: av.VideoFrame) -> NDArray[np.float64]:
    """(H, W, 3): the frame over the page's colour."""
    rgba = frame.reformat(format="rgba", src_colorspace="ITU709").to_ndarray().astype(float)
    weight = rgba[..., 3:] / 255
    return np.asarray(rgba[..., :3] * weight + np.array(PAGE_COLOUR) * (1 - weight))


def compare(seen: Seen, frame: av.VideoFrame, head: dict[str, Any], content: bytes) -> None:
    """Count a frame."""
    width, height, count = head["width"], head["height"], head["decoded"]
    samples = np.frombuffer(content, np.uint8)
    seen.formats.add(str(head["format"]))
    if str(head["format"]).startswith("I420"):

        def theirs(number: int) -> Pixels:
            at = head["planes"][number]
            rows = samples[at["offset"] : at["offset"] + at["stride"] * height]
            return rows.reshape(height, at["stride"])[:, :width]

        seen.luma += np.array_equal(theirs(0), plane(frame, 0))
        if head["format"] == "I420A":
            seen.alpha += np.array_equal(theirs(3), plane(frame, 3))
    pixels = samples[count:].reshape(height, width, 4)[..., :3]
    change = np.abs(pixels - on_colour(frame))
    seen.shown.append((float(change.mean()), round(float(change.max()))))


async def watch(chromium: str, videos: list[Path]) -> list[Seen]:
    """Show them all to Chromium."""
    seen = {video.name: Seen(video) for video in videos}
    ended = asyncio.Event()
    runner = web.AppRunner(_app(videos, seen, ended))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await _browse(chromium, f"http://127.0.0.1:{runner.addresses[0][1]}/", ended)
    finally:
        await runner.cleanup()
    return list(seen.values())


def _app(videos: list[Path], seen: dict[str, Seen], ended: asyncio.Event) -> web.Application:
    """Gives the page and the videos, and takes what the page saw of them."""
    frames = {video.name: decoded(video) for video in videos}
    colour = "rgb({},{},{})".format(*PAGE_COLOUR)
    jobs = [
        {"name": name, "frames": len(each), "fps": FPS, "colour": colour}
        for name, each in frames.items()
    ]

    async def take(request: web.Request) -> web.Response:
        line, content = (await request.read()).split(b"\n", 1)
        head = json.loads(line)
        compare(seen[head["name"]], frames[head["name"]][head["index"]], head, content)
        return web.Response()

    async def say(request: web.Request) -> web.Response:
        said = json.loads(await request.text())
        seen[said["name"]].said = said
        return web.Response()

    async def end(_request: web.Request) -> web.Response:
        ended.set()
        return web.Response()

    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/", lambda _: _page(PAGE))
    app.router.add_get("/videos.json", lambda _: _page(json.dumps(jobs), "application/json"))
    app.router.add_static("/videos", videos[0].parent)
    app.router.add_post("/frame", take)
    app.router.add_post("/said", say)
    app.router.add_post("/end", end)
    return app


async def _browse(chromium: str, url: str, ended: asyncio.Event) -> None:
    with tempfile.TemporaryDirectory() as profile:
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio")
        browser = await asyncio.create_subprocess_exec(
            *(chromium, *options, f"--user-data-dir={profile}", url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await asyncio.wait_for(ended.wait(), _PATIENCE_SECS)
        finally:
            browser.terminate()
            await browser.wait()


async def _page(text: str, kind: str = "text/html") -> web.Response:
    return web.Response(text=text, content_type=kind)


def make(folder: Path, server: str) -> list[Path]:
    """Render all of them."""
    portrait = Image.open(ROOT / "examples/portrait.png").convert("RGB")
    alpha = Image.new("L", portrait.size)
    inset = portrait.width // 20
    ImageDraw.Draw(alpha).ellipse((inset, inset, portrait.width - inset, portrait.height), 255)
    portrait.putalpha(alpha)
    content = io.BytesIO()
    portrait.save(content, "PNG")
    (folder / "cut-out.png").write_bytes(content.getvalue())
    videos = []
    for name, options in VIDEOS.items():
        avatar = folder / "cut-out.png" if "alpha" in name else ROOT / "examples/portrait.png"
        inputs = ("-i", str(avatar), "-a", str(ROOT / "tests/data/short.wav"))
        ways = ("--duration", "1.6", "--segment-secs", "1", "--fps", str(FPS), "-y", "-q")
        program = (sys.executable, "-m", "musetalk_fast", "render", "-s", server)
        subprocess.run(
            [*program, *inputs, "-o", str(folder / name), *ways, *options], check=True, timeout=400
        )
        videos.append(folder / name)
    return videos


def row(seen: Seen) -> bool:
    """Print what came of a video; whether all is well."""
    count = len(seen.shown)
    with av.open(str(seen.video)) as container:
        codec, frames = container.streams.video[0].codec_context.name, len(decoded(seen.video))
    if "error" in seen.said or not count:
        print(f"| {seen.video.name} | {codec} | {seen.said.get('error', 'nothing')[:90]} | | | |")
        return False
    is_alpha = "I420A" in seen.formats
    alpha = f"{seen.alpha} of {frames}" if is_alpha else "none"
    mean, most = max(each[0] for each in seen.shown), max(each[1] for each in seen.shown)
    formats = ", ".join(sorted(seen.formats))
    cells = f"{formats} | {seen.luma} of {frames} | {alpha} | {mean:.2f}, {most}"
    print(f"| {seen.video.name} | {codec} | {cells} |", flush=True)
    same = seen.luma == frames and (not is_alpha or seen.alpha == frames)
    return same and mean <= _MOST_SHOWN


def main() -> int:
    """Print the table; 1 if something differs that Chromium can play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build/chromium")
    parser.add_argument("-s", "--server", default="builtin")
    parser.add_argument("--chromium", default="chromium")
    asked = parser.parse_args()
    if shutil.which(asked.chromium) is None:
        print(f"{asked.chromium} is not installed")
        return 2
    asked.folder.mkdir(parents=True, exist_ok=True)
    videos = make(asked.folder, asked.server)
    print("| file | codec | frames as | luma as PyAV's | alpha | shown: mean, most |")
    print("|---|---|---|---|---|---|")
    good = [row(each) for each in asyncio.run(watch(asked.chromium, videos))]
    # No build of Chromium has to have HEVC.
    return 0 if all(good[: len(VIDEOS) - 1]) else 1


if __name__ == "__main__":
    sys.exit(main())
