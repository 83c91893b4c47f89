// The whole page in a document of stand-ins, with a server that finds a face and makes no frame.
// Clicks faster than the browser and the server answer; prints what they began.
let opened = [];
const made = new Map();
const nothing = () => {};
function element(id) {
  if (made.has(id)) return made.get(id);
  const context = {
    ...{ drawImage: nothing, fillRect: nothing, clearRect: nothing, putImageData: nothing },
    getImageData: () => ({ data: [] }),
  };
  const self = {
    ...{ id, hidden: false, disabled: false, textContent: "", width: 256, height: 256 },
    ...{ listeners: {}, attributes: {}, children: [], style: { setProperty: nothing } },
    ...{ classList: { add: nothing, toggle: nothing } },
    addEventListener: (type, listener) => (self.listeners[type] = listener),
    setAttribute: (name, value) => (self.attributes[name] = value),
    ...{ replaceChildren: nothing, scrollIntoView: nothing, focus: nothing, append: nothing },
    getContext: () => context,
    captureStream: () => new MediaStream([]),
    toBlob: (done) => done(new Blob(["picture"])),
  };
  made.set(id, self);
  return self;
}
globalThis.document = {
  getElementById: element,
  createElement: () => element(Symbol("new")),
  body: element("body"),
};
globalThis.location = { href: "http://server/" };
globalThis.addEventListener = nothing;
globalThis.matchMedia = () => ({ addEventListener: nothing });
globalThis.getComputedStyle = () => ({ color: "black" });
globalThis.requestAnimationFrame = nothing;
globalThis.createImageBitmap = async () => ({ width: 256, height: 256, close: nothing });
globalThis.ResizeObserver = class { observe() {} };
globalThis.File ??= class extends Blob {};

// The sound and the microphone.
const contexts = [], recorders = [];
let resumed = nothing;
globalThis.AudioContext = class {
  constructor() { contexts.push(this); }
  resume() { return new Promise((done) => (resumed = done)); }
  createMediaStreamDestination() { return { stream: new MediaStream([]) }; }
};
globalThis.OfflineAudioContext = class {
  decodeAudioData = async () => ({ duration: 1, getChannelData: () => new Float32Array(16_000) });
  startRendering = async () => ({ getChannelData: () => new Float32Array(16_000) });
};
globalThis.AudioBufferSourceNode = class { connect() {} start() {} stop() {} };
globalThis.DelayNode = class { connect() {} };
globalThis.MediaStream = class {
  constructor(tracks) { this.tracks = tracks; }
  getTracks() { return this.tracks; }
};
globalThis.MediaRecorder = class {
  static isTypeSupported = () => true;
  state = "inactive";
  mimeType = "audio/webm";
  constructor(stream) {
    if (globalThis.hasNoRecorder) throw new DOMException("no codec", "NotSupportedError");
    if (stream.getTracks().length) recorders.push(this);
  }
  start() { this.state = "recording"; }
  stop() {
    this.state = "inactive";
    queueMicrotask(() => this.onstop?.());
  }
};
const mediaDevices = { getUserMedia: () => new Promise((done) => opened.push(done)) };
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices } });

// The server.
const streams = [];
globalThis.fetch = async (url, { signal }) => {
  const path = new URL(url).pathname;
  if (path === "/health") return Response.json({ status: "healthy", protocol: 1 });
  if (path === "/v1/info") return Response.json({ ...INFO });
  if (path === "/v1/avatars") return faces();
  if (path !== "/v1/frames") return new Response("");
  streams.push(signal);
  return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
};
const INFO = {
  ...{ protocol: 1, crop_size: 256, wires: ["application/x-ndjson"], encodings: ["raw"] },
  ...{ engine: "test", model: "v1" },
};

async function faces() {
  const { crc32c } = await import("./wire.js");
  const hex = (number) => number.toString(16).padStart(8, "0");
  const sums = [];
  const line = (message) => {
    const text = JSON.stringify(message).slice(0, -1);
    sums.push(crc32c(new TextEncoder().encode(text)));
    return `${text},"crc32c":"${hex(sums.at(-1))}"}\n`;
  };
  const box = [64, 64, 128, 128];
  const face = line({ type: "face", source: 0, box, mask_box: box, data: "" });
  const digest = hex(crc32c(new Uint8Array(new Uint32Array(sums).buffer)));
  const headers = { "Content-Type": "application/x-ndjson" };
  return new Response(face + line({ type: "end", count: 1, digest }), { headers });
}

const timers = new Map(); // those of more than a minute
const { setTimeout, clearTimeout } = globalThis;
globalThis.setTimeout = (callback, ms) => {
  const timer = setTimeout(callback, ms);
  if (ms > 60_000) timers.set(timer, [ms, callback]);
  return timer;
};
globalThis.clearTimeout = (timer) => {
  timers.delete(timer);
  clearTimeout(timer);
};

const click = (id) => element(id).listeners.click({ detail: 0 });
const choose = (id) => element(id).listeners.change({ target: { files: [{ name: id, size: 1 }] } });
const turn = () => new Promise((done) => setTimeout(done, 20));
const out = {};
await import("./main.js");
await turn();

// Record, twice while the browser asks for permission; then once more.
function grant() {
  const track = { isOn: true, stop: () => (track.isOn = false) };
  for (const done of opened.splice(0)) done(new MediaStream([track]));
  return track;
}
click("microphone");
click("microphone");
out.asked = opened.length;
const track = grant();
await turn();
out.recording = [element("microphone-text").textContent, track.isOn];
click("microphone");
click("microphone");
await turn();
const isRecording = recorders.some(({ state }) => state === "recording");
out.recorded = [element("microphone-text").textContent, track.isOn, isRecording];
out.note = element("recording-note").textContent;

// Record, for as long as it goes.
const timersBefore = timers.size;
click("microphone");
const longer = grant();
await turn();
out.limits = [timersBefore, ...[...timers.values()].map(([ms]) => ms / 1000)];
for (const [, callback] of timers.values()) callback();
await turn();
out.full = [element("microphone-text").textContent, longer.isOn, element("status").textContent];

// Record, in a browser that cannot.
globalThis.hasNoRecorder = true;
click("microphone");
const unused = grant();
await turn();
out.refused = [element("microphone-text").textContent, unused.isOn];
globalThis.hasNoRecorder = false;

// Speak, in between three clicks: begun, stopped, begun again while the sound is not there yet.
choose("portrait");
await turn();
const button = () => element("speak").textContent;
click("speak");
out.speaking = [button(), streams.length];
click("speak");
await turn();
out.stopped = button();
resumed();
await turn();
out.notBegun = streams.length;
click("speak");
resumed();
await turn();
out.begun = [button(), streams.length];
click("speak");
await turn();
out.over = [button(), streams.filter(({ aborted }) => !aborted).length];

// Speak, by a double click.
element("speak").listeners.click({ detail: 1 });
element("speak").listeners.click({ detail: 2 });
resumed();
await turn();
out.doubled = [button(), streams.filter(({ aborted }) => !aborted).length];

// Another portrait before the sound is there.
click("speak");
await turn();
click("speak");
choose("portrait");
await turn();
resumed();
await turn();
out.replaced = [button(), streams.filter(({ aborted }) => !aborted).length];
console.log(JSON.stringify(out));
process.exit(0);
