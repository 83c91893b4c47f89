/** The page: what was chosen, what is going on, and what may be done next. */

import { Client, ServerGone, WireError } from "./wire.js";
import { Compositor, InputProblem, openPortrait } from "./portrait.js";
import { Microphone, drawWave, openRecording } from "./recording.js";
import { Output, Player } from "./player.js";
import { FaceChoice } from "./face_choice.js";
import { Figures, showFigures } from "./figures.js";
import { describe } from "./problems.js";
import { findFaces, largestFace, renderCommand, serverInfo, speak } from "./session.js";

const FPS = 25;
const byId = (id) => document.getElementById(id);
const server = new URL(".", location.href).href.replace(/\/$/, "");
const client = new Client(server);
const choice = new FaceChoice(byId("faces"), byId("canvas"), (chosen) => (face = chosen));

let info = null, portrait = null, png = null, faces = [], face = null, recording = null;
let isSpeaking = false, microphone = null, context = null;
let searching = new AbortController();
let halt = () => {};

// What is said.

const say = (text) => (byId("status").textContent = text);

function complain(error) {
  if (error.name === "AbortError") return say("");
  if (error.status === 401) return askForKey();
  const [text, hint] = describe(error);
  byId("problem-text").textContent = text;
  byId("problem-hint").textContent = hint;
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
  say("");
}

/** A step that somebody asked for; what fails of it is said. */
function step(work) {
  return async (...given) => {
    byId("problem").hidden = true;
    try {
      await work(...given);
    } catch (error) {
      complain(error);
    }
    update();
  };
}

function update() {
  byId("speak").disabled = !isSpeaking && !(face && recording);
  byId("speak").textContent = isSpeaking ? "Stop" : "Make it speak";
  byId("example").disabled = !info;
  choice.isOpen = !isSpeaking;
}

// The server.

const connect = step(async () => {
  say("Connecting…");
  info = await serverInfo(client, (status) => say(`The server is ${status}…`));
  const preview = `${info.engine} engine: a preview, not MuseTalk`;
  byId("engine").textContent = info.is_preview ? preview : `${info.engine} ${info.model}`;
  byId("engine").hidden = false;
  byId("key-form").hidden = true;
  say("");
  if (portrait && !face) await search();
});

function askForKey() {
  byId("key-note").textContent = client.key ? "That is not this server's key." : "";
  say("");
  client.key = "";
  byId("key-form").hidden = false;
  byId("key").focus();
}

function takeKey(event) {
  event.preventDefault();
  const key = byId("key").value.trim();
  client.key = /^[!-~]+$/.test(key) ? key : "?"; // no key has other characters
  byId("key").value = "";
  connect();
}

// The portrait.

const takePortrait = step(async (file) => {
  const opened = await openPortrait(file);
  halt();
  searching.abort();
  [portrait, png, faces, face] = [opened, await opened.png(), [], null];
  showPortrait();
  if (info) await search();
});

function showPortrait() {
  const canvas = byId("canvas");
  const { width, height } = Object.assign(canvas, portrait.size);
  canvas.getContext("2d", { alpha: false }).drawImage(portrait.canvas, 0, 0);
  canvas.style.setProperty("--ratio", width / height);
  canvas.setAttribute("aria-label", `Portrait ${portrait.name}`);
  byId("frame").classList.add("filled");
  byId("portrait-note").textContent = portrait.name;
  byId("result").hidden = true;
  showFigures(false);
  choice.show([], null);
}

async function search() {
  searching.abort(); // of two pictures dropped together, the last one's faces are shown
  searching = new AbortController();
  say("Looking for the face…");
  const patience = setTimeout(() => say("Looking for the face… The first one takes longer."), 4000);
  try {
    faces = await findFaces(client, png, searching.signal);
  } finally {
    clearTimeout(patience);
  }
  face = largestFace(faces);
  const several = faces.length > 1 ? `, ${faces.length} faces: choose one in the picture` : "";
  byId("portrait-note").textContent = portrait.name + several;
  choice.show(faces, face);
  say(recording ? "" : "Now a recording.");
}

// The recording.

const takeRecording = step(async (file) => {
  const opened = await openRecording(file);
  halt();
  recording = opened;
  byId("recording-note").textContent = `${recording.name}, ${recording.seconds.toFixed(1)} s`;
  byId("wave").hidden = false;
  drawWave(byId("wave"), recording.samples);
  byId("result").hidden = true;
  if (!portrait) say("Now a portrait.");
});

const record = step(async () => {
  halt();
  const opened = microphone;
  microphone = opened ? null : await Microphone.open();
  byId("microphone").setAttribute("aria-pressed", String(Boolean(microphone)));
  byId("microphone-text").textContent = microphone ? "Stop recording" : "Record";
  say(microphone ? "Recording…" : "");
  if (opened) await takeRecording(await opened.stop());
});

// The performance.

const perform = step(async () => {
  const began = performance.now();
  context ??= new AudioContext();
  await context.resume(); // while the click still counts
  const shown = { portrait, recording, faces, face };
  const count = Math.ceil((recording.samples.length * FPS) / 16_000);
  const compositor = await Compositor.create(byId("canvas"), portrait, face);
  const output = new Output(context, byId("canvas"));
  const player = new Player(compositor, recording.sound, output, FPS, count);
  const figures = new Figures(player, began);
  const streaming = new AbortController();
  isSpeaking = true;
  update();
  byId("frame").scrollIntoView({ block: "nearest" });
  try {
    const ended = ending(player);
    const asked = { png, wav: recording.wav, face, encodings: info.encodings, fps: FPS, count };
    const onRetry = () => say("The server is gone; asking again…");
    const arriving = receive(player, speak(client, asked, streaming.signal, onRetry));
    await Promise.race([ended, arriving.then(() => ended)]);
    say("Done.");
  } finally {
    halt = () => {};
    isSpeaking = false;
    player.stop();
    streaming.abort();
    figures.finish();
    const video = await output.finish();
    if (shown.portrait === portrait && shown.recording === recording) {
      showResult(shown, player.shown === count ? video : null);
    }
  }
});

/** Says what a player does; resolved when all has been shown, rejected by `halt`. */
function ending(player) {
  say("Waiting for the first frames…");
  player.addEventListener("playing", () => say("Speaking."));
  player.addEventListener("waiting", () => say("Waiting for more frames…"));
  return new Promise((done, fail) => {
    player.addEventListener("ended", done);
    player.addEventListener("damaged", () => fail(new WireError("a frame cannot be decoded")));
    halt = () => fail(new DOMException("stopped", "AbortError"));
  });
}

async function receive(player, frames) {
  try {
    for await (const frame of frames) await player.add(frame);
  } catch (error) {
    if (error.name !== "AbortError" && player.received) {
      error.message += `, after ${player.received} of ${player.count} frames`;
    }
    throw error;
  }
}

function showResult(shown, video) {
  const needsKey = client.key !== "";
  byId("command").textContent = renderCommand({ server, needsKey, ...shown });
  const ending = video?.type.includes("mp4") ? "mp4" : "webm";
  offer(byId("video"), video, `${portrait.stem}.${ending}`);
  byId("video").textContent = `Save what you saw (${ending === "mp4" ? "MP4" : "WebM"})`;
  const isOurs = recording.name === Microphone.NAME;
  offer(byId("wav"), isOurs ? new Blob([recording.wav]) : null, recording.name);
  byId("result").hidden = false;
}

function offer(link, blob, name) {
  if (link.href) URL.revokeObjectURL(link.href);
  link.hidden = !blob;
  if (blob) Object.assign(link, { href: URL.createObjectURL(blob), download: name });
}

// Controls.

function take(file) {
  if (file.type.startsWith("image/")) return takePortrait(file);
  if (/^(audio|video)\//.test(file.type)) return takeRecording(file);
  const what = `${file.name || "this"} is neither a picture nor a recording`;
  return complain(new InputProblem(what, "Drop a portrait, a recording, or both."));
}

const example = step(async () => {
  say("Loading the example…");
  const names = { "portrait.jpg": "image/jpeg", "speech.flac": "audio/flac" };
  const files = Object.entries(names).map(async ([name, type]) => {
    const response = await fetch(`page/${name}`).catch(() => null);
    if (!response?.ok) throw new ServerGone(`the server does not send ${name}`);
    return new File([await response.blob()], name, { type });
  });
  const [picture, sound] = await Promise.all(files);
  await Promise.all([takePortrait(picture), takeRecording(sound)]);
  if (face && recording) await perform();
});

const copy = step(async () => {
  getSelection().selectAllChildren(byId("command"));
  // The clipboard is not there where a page came over http from another machine.
  if (navigator.clipboard) await navigator.clipboard.writeText(byId("command").textContent);
  else document.execCommand("copy");
  say("The command is in the clipboard.");
});

/** The file of an input; the same one can then be chosen again, when it has changed. */
function chosen(take) {
  return ({ target }) => {
    const [file] = target.files;
    if (file) take(file);
    target.value = "";
  };
}

function onDrag(event) {
  event.preventDefault();
  document.body.classList.toggle("dropping", event.type === "dragover");
  if (event.type === "drop") for (const file of event.dataTransfer.files) take(file);
}

byId("portrait").addEventListener("change", chosen(takePortrait));
byId("recording").addEventListener("change", chosen(takeRecording));
for (const type of ["dragover", "dragleave", "drop"]) addEventListener(type, onDrag);
byId("key-form").addEventListener("submit", takeKey);
byId("microphone").addEventListener("click", record);
byId("speak").addEventListener("click", () => (isSpeaking ? halt() : perform()));
byId("example").addEventListener("click", example);
byId("copy").addEventListener("click", copy);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (recording) drawWave(byId("wave"), recording.samples);
});
update();
connect();
