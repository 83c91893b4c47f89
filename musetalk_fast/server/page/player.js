/** Shows frames in step with their sound, while they arrive; the sound is the clock. */

import { decodeCrop } from "./portrait.js";

const DECODED_AHEAD = 8;
const FEWEST_TO_START = 10;
const MOST_BYTES = 64 * 2 ** 20;
const LEAD_SECS = 0.1;
const CHECK_MS = 1000;

/**
 * One performance. Events: `frame` with `{index, lateness}` in seconds where one was drawn,
 * `playing` and `waiting` where the sound begins or pauses, `ended`, `damaged`.
 */
export class Player extends EventTarget {
  #waiting = new Map(); // frames that are not shown yet, by index: those from #next on
  #next = 0; // the first that may still be shown
  #bytes = 0;
  #received = 0;
  #firstAt = 0;
  #shown = -1;
  #begins = null; // when the sound begins, on the context's clock
  #drained = () => {};
  #stopped = false;

  /** `output`: an AudioContext and, if the browser has it, a recorder of what is shown. */
  constructor(compositor, sound, output, fps, count) {
    super();
    Object.assign(this, { compositor, sound, output, fps, count });
    this.context = output.context;
    this.isHeld = true;
    requestAnimationFrame(this.#tick);
  }

  /** Takes a `frame` message; waits while too many are here. */
  async add(frame) {
    this.#firstAt ||= performance.now();
    this.#received += 1;
    if (frame.index >= this.#next) {
      this.#bytes += frame.data.length;
      this.#waiting.set(frame.index, frame);
    }
    const began = performance.now();
    while (this.#bytes > MOST_BYTES && !this.#stopped) {
      await new Promise((done) => {
        this.#drained = done;
        setTimeout(done, CHECK_MS); // nothing is shown in a hidden tab, but its sound goes on
      });
      this.#dropBefore(this.#due);
    }
    this.#firstAt += performance.now() - began; // none could arrive
  }

  /** Frames a second that arrive. */
  get rate() {
    const secs = (performance.now() - this.#firstAt) / 1000;
    return this.#received > 1 && secs > 0 ? (this.#received - 1) / secs : 0;
  }

  get received() {
    return this.#received;
  }

  get shown() {
    return this.#shown + 1;
  }

  /** Seconds of sound that have been heard. */
  get position() {
    if (this.#begins === null) return 0;
    return this.context.currentTime - (this.context.outputLatency || 0) - this.#begins;
  }

  /** The frame of the sound that is heard now. */
  get #due() {
    return Math.min(this.count - 1, Math.floor(Math.max(0, this.position) * this.fps));
  }

  stop() {
    this.#stopped = true;
    this.source?.stop();
    this.#dropBefore(this.count);
    this.#drained();
  }

  #tick = () => {
    if (this.#stopped) return;
    if (this.isHeld) {
      if (this.#hasEnough()) this.#play();
    } else {
      this.#show();
    }
    requestAnimationFrame(this.#tick);
  };

  /** Whether the rest can be shown without a pause, at the rate at which it arrives. */
  #hasEnough() {
    const left = this.count - this.#next;
    if (this.#waiting.size >= left || this.#bytes > MOST_BYTES) return true;
    const missing = Math.max(0, 1 - this.rate / this.fps) * left;
    return this.#waiting.size >= Math.max(FEWEST_TO_START, missing * 1.1);
  }

  async #play() {
    this.isHeld = false;
    await this.context.resume();
    if (this.#begins === null) {
      await Promise.all([this.output.start(), this.#decodeFrom(0)]);
      if (this.#stopped) return;
      this.#begins = this.context.currentTime + LEAD_SECS;
      this.source = new AudioBufferSourceNode(this.context, { buffer: this.sound });
      this.output.connect(this.source);
      this.source.start(this.#begins);
    } else {
      this.output.resume();
    }
    this.#tell("playing");
  }

  #hold() {
    this.isHeld = true;
    this.context.suspend();
    this.output.pause();
    this.#tell("waiting");
  }

  #show() {
    if (this.#begins === null || this.position < 0) return;
    const due = this.#due;
    this.#dropBefore(due);
    this.#decodeFrom(due);
    if (due >= this.#next) {
      const frame = this.#waiting.get(due);
      if (!frame) return this.#hold();
      if (frame.bitmap) this.#draw(frame);
    }
    if (this.position >= this.sound.duration && this.#shown === this.count - 1) {
      this.#stopped = true;
      this.#tell("ended");
    }
  }

  /** Decodes a few frames before they are due; resolved when they are. */
  async #decodeFrom(first) {
    for (let index = first; index < first + DECODED_AHEAD; index += 1) {
      const frame = this.#waiting.get(index);
      if (!frame || frame.decoding) continue;
      frame.decoding = decodeCrop(frame).then(
        (bitmap) => (frame.bitmap = bitmap),
        () => this.#tell("damaged"),
      );
    }
    await this.#waiting.get(first)?.decoding;
  }

  #draw(frame) {
    this.compositor.draw(frame.bitmap, frame.rows[0]);
    this.#tell("frame", { index: frame.index, lateness: this.position - frame.index / this.fps });
    this.#shown = frame.index;
    this.#dropBefore(frame.index + 1);
  }

  /** Their time is over, whether they were shown or not. */
  #dropBefore(first) {
    for (const [index, old] of this.#waiting) {
      if (index >= first) break;
      old.decoding?.then(() => old.bitmap?.close());
      this.#bytes -= old.data.length;
      this.#waiting.delete(index);
    }
    this.#next = Math.max(this.#next, first);
    if (this.#bytes <= MOST_BYTES) this.#drained();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Where sound goes: to the ears and, with the canvas's pictures, into a file if it can be. */
export class Output {
  constructor(context, canvas) {
    this.context = context;
    this.parts = [];
    this.tracks = [];
    try {
      this.#open(canvas);
    } catch {
      this.recorder = null; // a browser without it, or without a codec: nothing to keep then
    }
  }

  #open(canvas) {
    const sink = this.context.createMediaStreamDestination();
    // Pictures are drawn when their sound is heard, which is later than when it is mixed.
    this.delay = new DelayNode(this.context);
    this.delay.connect(sink);
    this.tracks = [canvas.captureStream(), sink.stream].flatMap((stream) => stream.getTracks());
    // Chromium's VP8 holds six frames back: 160 ms behind the sound, and the last ones are lost.
    const mimeType = ["video/webm;codecs=vp9,opus", "video/webm", "video/mp4"].find((type) =>
      MediaRecorder.isTypeSupported(type),
    );
    const settings = { mimeType, videoBitsPerSecond: 6_000_000 };
    this.recorder = new MediaRecorder(new MediaStream(this.tracks), settings);
    this.recorder.ondataavailable = ({ data }) => this.parts.push(data);
  }

  connect(source) {
    source.connect(this.context.destination);
    if (this.delay) source.connect(this.delay);
  }

  async start() {
    if (!this.recorder) return;
    this.delay.delayTime.value = this.context.outputLatency || 0;
    const started = new Promise((done) => (this.recorder.onstart = done));
    try {
      this.recorder.start(1000);
    } catch {
      return;
    }
    await Promise.race([started, new Promise((done) => setTimeout(done, 500))]);
  }

  pause() {
    if (this.recorder?.state === "recording") this.recorder.pause();
  }

  resume() {
    if (this.recorder?.state === "paused") this.recorder.resume();
  }

  /** The file, or null. */
  async finish() {
    const isRunning = this.recorder && this.recorder.state !== "inactive";
    if (isRunning) {
      const stopped = new Promise((done) => (this.recorder.onstop = done));
      this.recorder.stop();
      await stopped;
    }
    for (const track of this.tracks) track.stop();
    return isRunning ? new Blob(this.parts, { type: this.recorder.mimeType }) : null;
  }
}
