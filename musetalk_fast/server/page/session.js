/** What this page asks of its server, and how it goes on after a failure. */

import { Refusal, ServerGone } from "./wire.js";

const MOST_FACES = 8;
const TRIES = 5;
const ENCODINGS = ["jpeg", "png", "raw"]; // the shortest first
const ignore = () => {};

/**
 * All faces of a picture, from left to right, each with the options that name it: the wire has no
 * list of faces, so each is asked for until there is none.
 */
export async function findFaces(client, png, signal) {
  const avatar = await client.upload(png, signal);
  const found = [];
  let refusal = null;
  for (let number = 0; number < MOST_FACES; number += 1) {
    const options = { face: String(number) };
    try {
      for await (const face of client.faces({ avatar, options }, signal)) {
        found.push({ ...face, options });
      }
    } catch (error) {
      if (!(error instanceof Refusal) || !/^MTF-(NO-FACE|FACE|MOUTH)/.test(error.code)) throw error;
      refusal ??= error;
      if (error.code === "MTF-NO-FACE") break; // the others are faces that cannot speak
    }
  }
  if (!found.length) throw refusal;
  return found;
}

/** The largest of some faces. */
export function largestFace(faces) {
  const area = ({ box }) => box[2] * box[3];
  return faces.reduce((best, face) => (area(face) > area(best) ? face : best));
}

/**
 * The frames of a recording, in order. A stream that is cut, or ends with a failure that may pass,
 * is asked for again from the next frame on, with what the server may have lost. Of the events,
 * `onRetry` hears the error and `onResume` that frames arrive again.
 */
export async function* speak(client, asked, signal, { onRetry = ignore, onResume = ignore } = {}) {
  const { png, wav, face, encodings, fps, count } = asked;
  const encoding = ENCODINGS.find((each) => encodings.includes(each));
  let next = 0;
  for (let failures = 0; next < count; ) {
    try {
      const avatar = await client.upload(png, signal);
      const audio = await client.upload(wav, signal);
      const request = { avatar, audio, options: face.options, fps: [fps, 1], encoding, window: true };
      Object.assign(request, { start: next, stop: count, sources: [[0, 0, count - next]] });
      for await (const frame of client.frames(request, signal)) {
        next = frame.index + 1;
        if (failures) onResume();
        failures = 0;
        yield frame;
      }
    } catch (error) {
      failures += 1;
      const mayPass = error instanceof ServerGone || error.mayPass;
      if (!mayPass || failures === TRIES || signal?.aborted) throw error;
      onRetry(error);
      await new Promise((done) => setTimeout(done, 1000 * failures));
    }
  }
}

/** Waits until the server can work; `onStatus` hears why not yet. */
export async function serverInfo(client, onStatus) {
  for (;;) {
    const { status } = await client.health();
    if (status === "healthy") return client.info();
    onStatus(status);
    await new Promise((done) => setTimeout(done, 1000));
  }
}

/** The command that makes the file, for a shell. */
export function renderCommand({ server, needsKey, portrait, recording, faces, face }) {
  const choice = faces.length > 1 ? ` --face ${face.options.face}` : "";
  const key = needsKey ? " --api-key-file key.txt" : "";
  return [
    "musetalk-fast render",
    `-s ${quoted(server)}${key}`,
    `-i ${quoted(portrait.name)}${choice}`,
    `-a ${quoted(recording.name)}`,
    `-o ${quoted(`${portrait.stem}.mp4`)}`,
  ].join(" \\\n  ");
}

/** A word of a POSIX shell, no option of ours. */
function quoted(word) {
  const path = word.startsWith("-") ? `./${word}` : word;
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
