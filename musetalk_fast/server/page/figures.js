/** The numbers and the bar below the portrait, while it speaks. */

const byId = (id) => document.getElementById(id);
const IDS = ["wait", "arriving", "showing", "lateness"];
const RECENT_SECS = 2;

export function showFigures(isShown) {
  byId("timeline").hidden = byId("figures").hidden = !isShown;
}

export class Figures {
  #frames = []; // when each was drawn, and how late

  /** `began`: when the button was pressed. Shows the numbers of a player until `finish`. */
  constructor(player, began) {
    this.player = player;
    for (const id of IDS) byId(id).textContent = "–";
    showFigures(true);
    player.addEventListener("frame", ({ detail }) => {
      const now = performance.now() / 1000;
      if (!this.#frames.length) byId("wait").textContent = `${(now - began / 1000).toFixed(2)} s`;
      this.#frames.push({ time: now, lateness: detail.lateness });
    });
    this.timer = setInterval(() => this.#show(this.#recent()), 250);
  }

  /** What is shown then stands for all of it. */
  finish() {
    clearInterval(this.timer);
    this.#show(this.#frames);
  }

  #recent() {
    const now = performance.now() / 1000;
    return this.#frames.filter(({ time }) => now - time < RECENT_SECS);
  }

  #show(frames) {
    const { player } = this;
    if (player.received < player.count) {
      byId("arriving").textContent = `${player.rate.toFixed(0)} fps`;
    }
    if (frames.length > 1) {
      const secs = frames.at(-1).time - frames[0].time;
      const lateness = frames.map((frame) => frame.lateness).sort((a, b) => a - b);
      const middle = lateness[lateness.length >> 1];
      byId("showing").textContent = `${((frames.length - 1) / secs).toFixed(1)} fps`;
      byId("lateness").textContent = `${Math.max(0, 1000 * middle).toFixed(0)} ms`;
    }
    byId("received").style.transform = `scaleX(${player.received / player.count})`;
    byId("played").style.transform = `scaleX(${player.shown / player.count})`;
    const percent = Math.round((100 * player.shown) / player.count);
    byId("timeline").setAttribute("aria-valuenow", percent);
  }
}
