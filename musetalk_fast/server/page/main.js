/** The page: what was chosen, what is going on, and what may be done next. */

import { Client, ServerGone } from "./wire.js";
import { InputProblem, openPortrait } from "./portrait.js";
import { Microphone, drawWave, openRecording } from "./recording.js";
import { FaceChoice } from "./face_choice.js";
import { Stage } from "./stage.js";
import { describe } from "./problems.js";
import { showFigures } from "./figures.js";
import { findFaces, largestFace, renderCommand, serverInfo, speak } from "./session.js";

const FPS = 25;
const byId = (id) => document.getElementById(id);
const server = new URL(".", location.href).href.replace(/\/$/, "");
const client = new Client(server);
const choice = new FaceChoice(byId("faces"), byId("canvas"), (chosen) => (face = chosen));

let info = null, portrait = null, png = null, faces = [], face = null, recording = null;
let isSpeaking = false, isOpening = false, microphone = null, context = null;
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
  if (microphone) return microphone.stop(); // whoever opened it takes what it has recorded
  if (isOpening) return; // the browser still asks whether it may be opened
  isOpening = true;
  try {
    microphone = await Microphone.open();
  } finally {
    isOpening = false;
  }
  showMicrophone();
  const file = await microphone.recorded;
  const { isFull } = microphone;
  microphone = null;
  showMicrophone();
  await takeRecording(file);
  if (isFull) say("That is ten minutes, the most that this page takes.");
});

function showMicrophone() {
  byId("microphone").setAttribute("aria-pressed", String(Boolean(microphone)));
  byId("microphone-text").textContent = microphone ? "Stop recording" : "Record";
  say(microphone ? "Recording…" : "");
}

// The performance.

const perform = step(async () => {
  if (isSpeaking) return;
  const [began, stopping] = [performance.now(), new AbortController()];
  isSpeaking = true; // before anything is awaited: the next click stops it
  halt = () => stopping.abort();
  update();
  const { signal } = stopping;
  const shown = { portrait, recording, faces, face };
  const count = Math.ceil((recording.samples.length * FPS) / 16_000);
  const asked = { png, wav: recording.wav, face, encodings: info.encodings, fps: FPS, count };
  let stage = null;
  const events = {
    onRetry: (error) =>
      say(`The server ${error instanceof ServerGone ? "is gone" : "failed"}; asking again…`),
    onResume: () => say(stage.activity),
  };
  try {
    context ??= new AudioContext();
    stage = await Stage.open(context, byId("canvas"), shown, [FPS, count], began, signal);
    byId("frame").scrollIntoView({ block: "nearest" });
    await stage.play(speak(client, asked, signal, events), say, signal);
    say("Done.");
  } finally {
    halt = () => {};
    isSpeaking = false;
    stopping.abort();
    const video = await stage?.close();
    if (stage && shown.portrait === portrait && shown.recording === recording) {
      showResult(shown, video);
    }
  }
});

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

/** The second click of a double click is not meant to stop what the first began. */
function single(action) {
  return ({ detail }) => detail > 1 || action();
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
byId("microphone").addEventListener("click", single(record));
byId("speak").addEventListener("click", single(() => (isSpeaking ? halt() : perform())));
byId("example").addEventListener("click", example);
byId("copy").addEventListener("click", copy);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (recording) drawWave(byId("wave"), recording.samples);
});
update();
connect();
