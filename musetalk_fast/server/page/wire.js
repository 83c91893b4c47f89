/**
 * A client of the wire, written from docs/protocol.md alone: all that this page knows of it is here.
 *
 *     const client = new Client("http://127.0.0.1:8000");
 *     const avatar = await client.upload(png), audio = await client.upload(wav);
 *     for await (const face of client.faces({ avatar })) ...
 *     for await (const frame of client.frames({ avatar, audio, fps: [25, 1], start: 0, stop: 3,
 *                                               sources: [[0, 0, 3]], encoding: "png" })) ...
 */

import { sha256 } from "./sha256.js";

const NDJSON = "application/x-ndjson";
const MAX_LINE = 16_777_216;
const CHECKSUM = ',"crc32c":"00000000"}'.length;
const KNOWN = ["start", "face", "frame", "progress", "heartbeat", "end", "error"];

/** What a server says when it does not do what it was asked. */
export class Refusal extends Error {
  constructor({ code, message, hint, retryable }, status = 0) {
    super(message || `the server answered with status ${status}`);
    this.code = code || "";
    this.hint = hint || "";
    this.status = status;
    this.mayPass = retryable === true || status === 503; // the same request may succeed later
  }
}

/** No answer, or a stream that stopped before its end: the same request may succeed later. */
export class ServerGone extends Error {}

/** Bytes that are not as docs/protocol.md says. */
export class WireError extends Error {}

export class Client {
  /** `key`: of a server that has one. It is kept here and nowhere else. */
  constructor(base = "", key = "") {
    this.base = base;
    this.key = key;
  }

  /** Whether the server can work: `status` is `healthy`, or with 503 why it cannot. */
  async health(signal) {
    const response = await this.#send("GET", "/health", { signal });
    const health = await response.json().catch(() => ({}));
    if (!response.ok && !health.status) throw new Refusal(health, response.status);
    if (health.protocol !== 1) throw new WireError("this server speaks another protocol");
    return health;
  }

  /** What the server can do. */
  async info(signal) {
    const info = await (await this.#ask("GET", "/v1/info", { signal })).json();
    if (info.protocol !== 1 || info.crop_size !== 256 || !info.wires.includes(NDJSON)) {
      throw new WireError("this server speaks another protocol");
    }
    return info;
  }

  /** Sends bytes that the server does not have yet; the name that they have from then on. */
  async upload(bytes, signal) {
    const name = sha256(bytes);
    const path = `/v1/assets/${name}`;
    try {
      await this.#ask("HEAD", path, { signal });
    } catch (error) {
      if (error.status !== 404) throw error;
      await this.#ask("PUT", path, { signal, body: bytes });
    }
    return name;
  }

  /** The faces of an avatar's source frames, `{source, box, mask_box, data}`; data is a grey PNG. */
  async *faces(request, signal) {
    for await (const message of this.#stream("/v1/avatars", request, signal)) {
      if (message.type === "face") yield message;
    }
  }

  /** The crops of `[start, stop)`, `{index, source, encoding, rows, data}`, each once, in order. */
  async *frames(request, signal) {
    let index = request.start;
    for await (const message of this.#stream("/v1/frames", request, signal)) {
      if (message.type !== "frame") continue;
      if (message.index !== index || message.width !== 256) throw new WireError("a frame is missing");
      index += 1;
      yield message;
    }
    if (index !== request.stop) throw new WireError("the stream ended before its last frame");
  }

  async *#stream(path, request, signal) {
    const headers = { "Content-Type": "application/json", Accept: NDJSON };
    const body = JSON.stringify(request);
    const response = await this.#ask("POST", path, { headers, body, signal });
    if (response.headers.get("Content-Type")?.split(";")[0] !== NDJSON) {
      throw new WireError("this is no stream of frames");
    }
    const checksums = [];
    for await (const line of lines(response.body, signal)) {
      const [message, checksum] = parse(line);
      if (message.type === "error") throw new Refusal(message);
      if (message.type === "end") {
        if (message.digest !== hex(crc32c(new Uint8Array(new Uint32Array(checksums).buffer)))) {
          throw new WireError("the stream is damaged");
        }
        return;
      }
      checksums.push(checksum);
      if (KNOWN.includes(message.type)) yield message;
      else if (message.optional !== true) throw new WireError(`unknown message ${message.type}`);
    }
    throw new ServerGone("the stream stopped in the middle");
  }

  async #ask(method, path, options) {
    const response = await this.#send(method, path, options);
    if (response.ok) return response;
    // What a proxy says has no such body: its status is all there is.
    throw new Refusal(await response.json().catch(() => ({})), response.status);
  }

  async #send(method, path, { headers = {}, body, signal }) {
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    const options = { method, headers, body, signal, redirect: "error", cache: "no-store" };
    try {
      return await fetch(this.base + path, { ...options, credentials: "omit" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ServerGone("the server does not answer", { cause: error });
    }
  }
}

/** The lines of a body, without their line feeds. */
async function* lines(body, signal) {
  const reader = body.getReader();
  let parts = [], length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let start = 0;
      for (let end; (end = value.indexOf(10, start)) >= 0; start = end + 1) {
        yield joined([...parts, value.subarray(start, end)]);
        parts = [], length = 0;
      }
      parts.push(value.subarray(start));
      length += value.length - start;
      if (length > MAX_LINE) throw new WireError("a message is too long");
    }
  } catch (error) {
    if (signal?.aborted || error instanceof WireError) throw error;
    throw new ServerGone("the connection was lost", { cause: error });
  } finally {
    reader.cancel().catch(() => {}); // who stops reading stops the server's work
  }
}

function joined(parts) {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A line as a message, data as bytes, with its checksum. */
function parse(line) {
  const text = new TextDecoder().decode(line);
  const checksum = crc32c(line.subarray(0, line.length - CHECKSUM));
  if (!text.endsWith(`,"crc32c":"${hex(checksum)}"}`)) throw new WireError("the stream is damaged");
  const message = JSON.parse(text);
  if (typeof message.data === "string") {
    const binary = atob(message.data);
    message.data = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) message.data[at] = binary.charCodeAt(at);
  }
  return [message, checksum];
}

const hex = (number) => number.toString(16).padStart(8, "0");

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

/** CRC-32C. */
export function crc32c(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255];
  return ~sum >>> 0;
}
