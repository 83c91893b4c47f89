/** A button on each face of a portrait, where there are several. */

export class FaceChoice {
  /** `place`: the element over `canvas` that the buttons go into. `onChoice` hears which face. */
  constructor(place, canvas, onChoice) {
    Object.assign(this, { place, canvas, onChoice });
    new ResizeObserver(() => this.#align()).observe(canvas);
  }

  /** Shows the faces of the picture on the canvas; none where there is no choice. */
  show(faces, chosen) {
    const buttons = faces.length < 2 ? [] : faces.map((face, at) => this.#button(face, at, faces));
    this.place.replaceChildren(...buttons);
    this.#press(buttons[faces.indexOf(chosen)]);
    this.#align();
  }

  /** Not while the portrait speaks. */
  set isOpen(isOpen) {
    this.place.hidden = !isOpen;
  }

  #button(face, at, faces) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `Face ${at + 1} of ${faces.length}, from the left`);
    const label = document.createElement("span");
    label.textContent = at + 1;
    button.append(label);
    const [x, y, width, height] = face.box;
    const part = (amount, whole) => `${(100 * amount) / whole}%`;
    Object.assign(button.style, {
      left: part(x, this.canvas.width),
      top: part(y, this.canvas.height),
      width: part(width, this.canvas.width),
      height: part(height, this.canvas.height),
    });
    button.addEventListener("click", () => {
      this.#press(button);
      this.onChoice(face);
    });
    return button;
  }

  #press(button) {
    for (const each of this.place.children) {
      each.setAttribute("aria-pressed", String(each === button));
    }
  }

  /** The buttons lie on the picture, whatever size the page gives it. */
  #align() {
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = this.canvas;
    Object.assign(this.place.style, {
      left: `${offsetLeft}px`,
      top: `${offsetTop}px`,
      width: `${offsetWidth}px`,
      height: `${offsetHeight}px`,
    });
  }
}
