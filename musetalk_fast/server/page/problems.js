/** What went wrong, in words for who sits before the page. */

import { ServerGone } from "./wire.js";

/** What can be done here; the server's own hints are for a shell. */
const HINTS = {
  "MTF-BUSY": "Others are using it. Try again in a moment.",
  "MTF-NO-FACE": "Use a picture from the front with the whole face in it.",
  "MTF-FACE-OPTIONS": "Use a picture from the front with the whole face in it.",
  "MTF-STORE-FULL": "It has no space for more now. Try again in a moment.",
};

/** An error as a sentence and a hint. */
export function describe(error) {
  if (error instanceof ServerGone) {
    return [sentence(error.message), "Is `musetalk-fast serve` still running? Then try again."];
  }
  const hint = sentence(HINTS[error.code] ?? error.hint);
  return [sentence(error.message), [hint, error.code && `(${error.code})`].filter(Boolean).join(" ")];
}

function sentence(text) {
  if (!text) return "";
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
