// A performance whose server answers each request for frames as the next of `answers` says: with
// a status, or a stream of so many frames that ends with an error. Prints what was asked for.
import { readFileSync } from "node:fs";
import { Client, crc32c } from "./wire.js";
import { speak } from "./session.js";

const COUNT = 5;
const hex = (number) => number.toString(16).padStart(8, "0");

/** An NDJSON stream of these messages. */
function stream(messages) {
  const sums = [];
  const lines = messages.map((message) => {
    const digest = hex(crc32c(new Uint8Array(new Uint32Array(sums).buffer)));
    const whole = message.type === "end" ? { ...message, digest } : message;
    const text = JSON.stringify(whole).slice(0, -1);
    sums.push(crc32c(new TextEncoder().encode(text)));
    return `${text},"crc32c":"${hex(sums.at(-1))}"}\n`;
  });
  return new Response(lines.join(""), { headers: { "Content-Type": "application/x-ndjson" } });
}

async function outcome(answers) {
  const starts = [], said = [], resumed = [];
  let shown = 0, failure = null;
  globalThis.fetch = async (url, { body }) => {
    if (!url.endsWith("/v1/frames")) return new Response("");
    const { start } = JSON.parse(body);
    starts.push(start);
    const { status, frames, error } = answers.shift() ?? { frames: COUNT - start };
    if (status) return Response.json({ code: "TEST", message: "no" }, { status });
    const indices = Array.from({ length: frames }, (_, at) => start + at);
    const data = { encoding: "raw", rows: [0, 0], width: 256, data: "" };
    const messages = indices.map((index) => ({ type: "frame", index, ...data }));
    const last = error ? { type: "error", code: "TEST", message: "no", ...error } : { type: "end" };
    return stream([...messages, last]);
  };
  const asked = { png: new Uint8Array(1), wav: new Uint8Array(1), encodings: ["raw"], fps: 25 };
  Object.assign(asked, { face: { options: {} }, count: COUNT });
  try {
    const onResume = () => resumed.push(shown);
    const events = { onRetry: (error) => said.push(error.code), onResume };
    const frames = speak(new Client("http://server"), asked, undefined, events);
    for await (const frame of frames) shown += frame.index === shown;
  } catch (error) {
    failure = error.code;
  }
  return { starts, said: said.length, resumed, shown, failure };
}

globalThis.setTimeout = setImmediate;
const out = [];
for (const answers of JSON.parse(readFileSync(0, "utf8"))) out.push(await outcome(answers));
console.log(JSON.stringify(out));
