/** What one performance plays on: the canvas, the sound and the numbers below. */

import { Figures } from "./figures.js";
import { Output, Player } from "./player.js";
import { Compositor } from "./portrait.js";
import { WireError } from "./wire.js";

export class Stage {
  /**
   * `cast`: who speaks what, `{portrait, face, recording}`; `began`: when the button was pressed.
   * Rejected when `signal` is aborted; then the canvas is as it was.
   */
  static async open(context, canvas, cast, [fps, count], began, signal) {
    await unlessAborted(context.resume(), signal);
    const compositor = await Compositor.create(canvas, cast.portrait, cast.face, signal);
    const output = new Output(context, canvas);
    const player = new Player(compositor, cast.recording.sound, output, fps, count);
    return new Stage(player, output, new Figures(player, began));
  }

  /** Use `open`. */
  constructor(player, output, figures) {
    Object.assign(this, { player, output, figures });
  }

  /** Shows frames as they arrive, to the last; says with `say` what goes on. */
  async play(frames, say, signal) {
    const ended = this.#ending(say, signal);
    const arriving = this.#receive(frames);
    await Promise.race([ended, arriving.then(() => ended)]);
  }

  /** What goes on, in words. */
  get activity() {
    if (!this.player.isHeld) return "Speaking.";
    return this.player.shown ? "Waiting for more frames…" : "Waiting for the first frames…";
  }

  #ending(say, signal) {
    say(this.activity);
    const { player } = this;
    for (const type of ["playing", "waiting"]) {
      player.addEventListener(type, () => say(this.activity));
    }
    const ended = new Promise((done, fail) => {
      player.addEventListener("ended", done);
      player.addEventListener("damaged", () => fail(new WireError("a frame cannot be decoded")));
    });
    return unlessAborted(ended, signal);
  }

  async #receive(frames) {
    const { player } = this;
    try {
      for await (const frame of frames) await player.add(frame);
    } catch (error) {
      if (error.name !== "AbortError" && player.received) {
        error.message += `, after ${player.received} of ${player.count} frames`;
      }
      throw error;
    }
  }

  /** The video of what was shown; null if that is not all, or where the browser records none. */
  async close() {
    this.player.stop();
    this.figures.finish();
    const video = await this.output.finish();
    return this.player.shown === this.player.count ? video : null;
  }
}

function unlessAborted(promise, signal) {
  return new Promise((done, fail) => {
    promise.then(done, fail);
    if (signal.aborted) fail(signal.reason);
    signal.addEventListener("abort", () => fail(signal.reason));
  });
}
