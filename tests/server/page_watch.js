// Runs in a page before its own scripts, for tests: what is on its canvas at each moment, and what
// can be heard then by the sound card's own clock.
window.watched = { ticks: 0, seen: [], pictures: new Set(), blobs: [] };

const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  if (this.context instanceof AudioContext) Object.assign(watched, { context: this.context, at });
  return start.call(this, at);
};

const create = URL.createObjectURL;
URL.createObjectURL = (blob) => (watched.blobs.push(blob), create.call(URL, blob));

/** Seconds of the recording that have been heard. */
function heard() {
  const { contextTime, performanceTime } = watched.context.getOutputTimestamp();
  return contextTime + (performance.now() - performanceTime) / 1000 - watched.at;
}

function look() {
  requestAnimationFrame(look);
  if (!watched.context || watched.isOver) return;
  const canvas = document.getElementById("canvas");
  const [x, y, width, height] = watched.place ?? [canvas.width >> 1, canvas.height >> 1, 1, 1];
  const { data } = canvas.getContext("2d").getImageData(x, y, width, height);
  let sum = 0;
  for (const value of data) sum = (Math.imul(sum, 31) + value) | 0;
  const time = heard();
  if (time < 0) return;
  watched.ticks += 1;
  watched.pictures.add(sum);
  watched.seen.push([time, data[0]]);
}

requestAnimationFrame(look);

/** A blob as base64. */
window.blobText = (blob) =>
  new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split("base64,")[1]);
    reader.readAsDataURL(blob);
  });
