/** The avatar in this page: its pixels, and each crop blended into them as the wire's page says. */

const LONGEST = 1280; // what a page shows; the command renders all pixels
const SHORTEST = 64;

/** A file that cannot be used, in words. */
export class InputProblem extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** Opens a picture file: upright, without transparency, of even sides. */
export async function openPortrait(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new InputProblem(
      `${file.name} is no picture that this browser can show`,
      "Use a PNG, JPEG or WebP. The command musetalk-fast render takes others, and videos.",
    );
  }
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const even = (side) => 2 * Math.floor((side * scale) / 2);
  const [width, height] = [even(picture.width), even(picture.height)];
  if (Math.min(width, height) < SHORTEST) {
    throw new InputProblem(
      `${file.name} is only ${picture.width} x ${picture.height} pixels`,
      `Use a picture whose sides have at least ${SHORTEST}.`,
    );
  }
  const [canvas, context] = newCanvas(width, height);
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, picture.width * scale, picture.height * scale);
  picture.close();
  return new Portrait(file.name, canvas);
}

class Portrait {
  constructor(name, canvas) {
    this.name = name;
    this.canvas = canvas;
  }

  get size() {
    return { width: this.canvas.width, height: this.canvas.height };
  }

  /** Its name without an ending. */
  get stem() {
    return this.name.replace(/\.[^.]*$/, "") || "out";
  }

  /** What the server gets: the very pixels that crops are blended into. */
  async png() {
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/png"));
    return new Uint8Array(await blob.arrayBuffer());
  }
}

/** Draws frames: the portrait, with a crop where the face's mask takes it. */
export class Compositor {
  /** Nothing is drawn once `signal` is aborted. */
  static async create(target, portrait, face, signal) {
    const [x, y, width, height] = face.mask_box;
    const [mask, context] = newCanvas(width, height);
    context.drawImage(await createImageBitmap(new Blob([face.data])), 0, 0);
    const weights = context.getImageData(0, 0, width, height);
    for (let at = 0; at < weights.data.length; at += 4) weights.data[at + 3] = weights.data[at];
    context.putImageData(weights, 0, 0);
    signal.throwIfAborted();
    return new Compositor(target, portrait, face, mask);
  }

  /** `target`: the canvas to draw on. Use `create`. */
  constructor(target, portrait, face, mask) {
    Object.assign(target, portrait.size);
    this.target = target.getContext("2d", { alpha: false });
    this.portrait = portrait.canvas;
    this.face = face;
    this.mask = mask;
    [this.crop, this.cropContext] = newCanvas(256, 256);
    [this.patch, this.patchContext] = newCanvas(mask.width, mask.height);
    this.patchContext.imageSmoothingQuality = "high";
    this.target.drawImage(this.portrait, 0, 0);
  }

  /** `crop`: an ImageBitmap of the rows from `first` on. */
  draw(crop, first) {
    const [left, top, width, height] = this.face.box;
    const [x, y, across, down] = this.face.mask_box;
    this.cropContext.drawImage(crop, 0, first);
    this.patchContext.globalCompositeOperation = "copy";
    this.patchContext.drawImage(this.crop, left - x, top - y, width, height);
    this.patchContext.globalCompositeOperation = "destination-in";
    this.patchContext.drawImage(this.mask, 0, 0);
    this.target.drawImage(this.portrait, x, y, across, down, x, y, across, down);
    this.target.drawImage(this.patch, x, y);
  }
}

/** The crop of a `frame` message as an ImageBitmap. */
export function decodeCrop({ encoding, rows, data }) {
  if (encoding !== "raw") return createImageBitmap(new Blob([data]));
  const image = new ImageData(256, rows[1]);
  const pixels = image.data.fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return createImageBitmap(image);
}

function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return [canvas, canvas.getContext("2d")];
}
