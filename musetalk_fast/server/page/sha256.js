/**
 * SHA-256 (FIPS 180-4). The browser's own is not there where a page came over http from another
 * machine, which is where phones meet a server.
 */

const PRIMES = [];
for (let number = 2; PRIMES.length < 64; number += 1) {
  if (PRIMES.every((prime) => number % prime)) PRIMES.push(number);
}

/** The first 32 bits of a root's fraction. */
const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) >>> 0;
const FIRST = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUNDS = Uint32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

/** The digest of bytes, in 64 lower-case hexadecimal digits. */
export function sha256(bytes) {
  const state = Uint32Array.from(FIRST);
  const whole = bytes.length - (bytes.length % 64);
  addBlocks(state, bytes.subarray(0, whole));
  addBlocks(state, lastBlocks(bytes.subarray(whole), bytes.length));
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** What is left of the bytes, a bit, zeros, and how many bits there were. */
function lastBlocks(rest, length) {
  const blocks = new Uint8Array(rest.length < 56 ? 64 : 128);
  blocks.set(rest);
  blocks[rest.length] = 0x80;
  new DataView(blocks.buffer).setBigUint64(blocks.length - 8, BigInt(length) * 8n);
  return blocks;
}

function addBlocks(state, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = new Uint32Array(64);
  for (let at = 0; at < bytes.length; at += 64) {
    for (let t = 0; t < 16; t += 1) words[t] = view.getUint32(at + 4 * t);
    for (let t = 16; t < 64; t += 1) {
      const [x, y] = [words[t - 15], words[t - 2]];
      const near = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
      const far = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
      words[t] = words[t - 16] + near + words[t - 7] + far;
    }
    addBlock(state, words);
  }
}

function addBlock(state, words) {
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const choice = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + ROUNDS[t] + words[t]) | 0;
    const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + majority;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((value, at) => (state[at] += value));
}

const turn = (word, bits) => (word >>> bits) | (word << (32 - bits));
