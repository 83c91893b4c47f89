/** Recordings: files and the microphone become the sound to play and the WAV that a server hears. */

import { InputProblem } from "./portrait.js";

const RATE = 16_000;
const LONGEST_SECS = 600;
const LATEST_SECS = 2; // what a timer may be late in a hidden tab, and what a codec adds
const LONGEST_BYTES = 200 * 2 ** 20;

/** Opens a sound file; `{name, sound, wav, seconds}`, sound being an AudioBuffer. */
export async function openRecording(file) {
  const long = "This page takes up to ten minutes; the command musetalk-fast render takes ten hours.";
  if (file.size > LONGEST_BYTES) throw new InputProblem(`${file.name} is too long`, long);
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new InputProblem(
      `${file.name} is no recording that this browser can play`,
      "Use a WAV, MP3, FLAC, Ogg or M4A. The command musetalk-fast render takes nearly all others.",
    );
  }
  if (sound.duration > LONGEST_SECS) throw new InputProblem(`${file.name} is too long`, long);
  const samples = await speechSamples(sound);
  return { name: file.name, sound, wav: wavOf(samples), seconds: samples.length / RATE, samples };
}

/** One channel of 16 kHz. */
async function speechSamples(sound) {
  const length = Math.max(1, Math.ceil(sound.duration * RATE));
  const context = new OfflineAudioContext(1, length, RATE);
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

/** The plain WAV of docs/protocol.md: mono, 16-bit PCM. */
function wavOf(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the chunk
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, at) => {
    view.setInt16(44 + 2 * at, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
  });
  return new Uint8Array(view.buffer);
}

/** The microphone, from now until `stop`, until it is unplugged or until it `isFull`. */
export class Microphone {
  static NAME = "recording.wav";
  isFull = false; // whether it has recorded as much as this page takes

  static async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new InputProblem(
        "the microphone is only there for pages of this machine or with https",
        "Open http://localhost on the server's machine, start it with --tls-cert, or choose a file.",
      );
    }
    try {
      return new Microphone(await navigator.mediaDevices.getUserMedia({ audio: true }));
    } catch (error) {
      const refused = error.name === "NotAllowedError";
      throw new InputProblem(
        refused ? "the browser was not allowed to use the microphone" : "there is no microphone",
        refused ? "Allow it beside the page's address, or choose a file." : "Choose a file instead.",
      );
    }
  }

  /** Use `open`. */
  constructor(stream) {
    this.stream = stream;
    try {
      this.recorder = new MediaRecorder(stream);
      /** The file, once it is there. */
      this.recorded = this.#record();
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  stop() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  #record() {
    const parts = [];
    this.recorder.ondataavailable = ({ data }) => parts.push(data);
    this.recorder.start();
    this.timer = setTimeout(() => {
      this.isFull = true;
      this.stop();
    }, 1000 * (LONGEST_SECS - LATEST_SECS));
    return new Promise((done) => {
      this.recorder.onstop = () => {
        this.#close();
        done(new File(parts, Microphone.NAME, { type: this.recorder.mimeType }));
      };
    });
  }

  #close() {
    clearTimeout(this.timer);
    for (const track of this.stream.getTracks()) track.stop();
  }
}

/** Draws the loudness of a recording. */
export function drawWave(canvas, samples) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = getComputedStyle(canvas).color;
  const bars = canvas.width / 4;
  const loudest = peak(samples, 0, samples.length) || 1;
  for (let bar = 0; bar < bars; bar += 1) {
    const [from, to] = [bar, bar + 1].map((each) => Math.floor((each * samples.length) / bars));
    const height = Math.max(2, (peak(samples, from, to) / loudest) * canvas.height);
    context.fillRect(4 * bar, (canvas.height - height) / 2, 2, height);
  }
}

function peak(samples, from, to) {
  let most = 0;
  for (let at = from; at < to; at += 1) most = Math.max(most, Math.abs(samples[at]));
  return most;
}
