// The player between parts of a browser that are driven by hand: what it shows after a while in a
// hidden tab, which has no animation frames while its sound goes on. Prints what happened then.
import { readFileSync } from "node:fs";

const { count, size, throughputs, hidden, back } = JSON.parse(readFileSync(0, "utf8"));
const FPS = 25, STEP = 0.02;
let now = 0, animate = null, bitmaps = 0, timers = [];
globalThis.performance.now = () => 1000 * now;
globalThis.requestAnimationFrame = (callback) => (animate = callback);
globalThis.setTimeout = (callback, ms) => timers.push([now + ms / 1000, callback]);
globalThis.createImageBitmap = async () => ((bitmaps += 1), { close: () => (bitmaps -= 1) });
globalThis.AudioBufferSourceNode = class {
  start() {}
  stop() {}
};
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail }) {
    super(type);
    this.detail = detail;
  }
};
const { Player } = await import("./player.js");

const context = { currentTime: 0, outputLatency: 0, isRunning: true };
context.resume = async () => (context.isRunning = true);
context.suspend = async () => (context.isRunning = false);
const output = { context, async start() {}, connect() {}, resume() {}, pause() {} };
const player = new Player({ draw() {} }, { duration: count / FPS }, output, FPS, count);
const drawn = [], events = [];
player.addEventListener("frame", ({ detail }) => drawn.push(detail.index));
for (const type of ["playing", "waiting", "ended"]) {
  player.addEventListener(type, () => events.push(type));
}

let isAdding = false, made = 0;
function arrive() {
  if (isAdding || player.received >= Math.min(count, Math.floor(made))) return;
  isAdding = true;
  const frame = { index: player.received, encoding: "jpeg", rows: [108, 148] };
  player.add({ ...frame, data: { length: size } }).then(() => ((isAdding = false), arrive()));
}

/** Lets time pass, in a tab that is seen or not, while a server makes so many frames a second. */
async function pass(secs, throughput, isHidden = false) {
  for (const end = now + secs; now < end; now += STEP) {
    if (context.isRunning) context.currentTime += STEP;
    made += throughput * STEP;
    for (const [at, callback] of timers.splice(0)) {
      if (at <= now) callback();
      else timers.push([at, callback]);
    }
    arrive();
    if (!isHidden) animate();
    await new Promise(setImmediate);
  }
}

await pass(5, throughputs[0]);
await pass(hidden, throughputs[1], true);
const kept = player.received;
drawn.length = events.length = 0;
await pass(back, throughputs[2]);
console.log(JSON.stringify({ drawn, events, kept, bitmaps, position: player.position }));
