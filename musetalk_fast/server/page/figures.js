/** The numbers and the bar below the portrait, while it speaks. */

const byId = (id) => document.getElementById(id);
const IDS = ["wait", "arriving", "showing", "lateness"];

export function showFigures(isShown) {
  byId("timeline").hidden = byId("figures").hidden = !isShown;
}

export class Figures {
  #latest = []; // when the frames of the last second were drawn
  #lateness = 0;

  /** `began`: when the button was pressed. Shows the numbers of a player until `finish`. */
  constructor(player, began) {
    this.player = player;
    this.began = began;
    for (const id of IDS) byId(id).textContent = "–";
    showFigures(true);
    player.addEventListener("frame", ({ detail }) => this.#add(detail));
    this.timer = setInterval(() => this.#show(), 250);
  }

  finish() {
    clearInterval(this.timer);
    this.#show();
  }

  #add({ lateness }) {
    const now = performance.now();
    if (!this.#latest.length) {
      byId("wait").textContent = `${((now - this.began) / 1000).toFixed(2)} s`;
    }
    this.#latest = [...this.#latest.filter((each) => now - each < 1000), now];
    this.#lateness = lateness;
  }

  #show() {
    const { player } = this;
    if (player.received < player.count) {
      byId("arriving").textContent = `${player.rate.toFixed(0)} fps`;
    }
    if (this.#latest.length > 1) {
      const secs = (this.#latest.at(-1) - this.#latest[0]) / 1000;
      byId("showing").textContent = `${((this.#latest.length - 1) / secs).toFixed(1)} fps`;
      byId("lateness").textContent = `${Math.max(0, this.#lateness * 1000).toFixed(0)} ms`;
    }
    byId("received").style.transform = `scaleX(${player.received / player.count})`;
    byId("played").style.transform = `scaleX(${player.shown / player.count})`;
    const percent = Math.round((100 * player.shown) / player.count);
    byId("timeline").setAttribute("aria-valuenow", percent);
  }
}
