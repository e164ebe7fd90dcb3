// A picture that is given: dropped, chosen, pasted or drawn. Knows pixels; the server says what the model sees of it.

import { pictureOf, textOf } from "./server.js";

const SIDE = 256; // pixels of the pad

export class Pad {
  // tell(words): an error for people, or null
  constructor(server, tell) {
    Object.assign(this, { server, tell, file: null, drawn: false, asked: 0 });
    this.element = document.createElement("div");
    this.element.innerHTML = `
      <canvas class="pad" width="${SIDE}" height="${SIDE}" role="img" aria-label="Picture: draw here, or drop a file"></canvas>
      <div class="row">
        <label class="button">Choose…<input type="file" class="file" accept="image/png,image/jpeg,image/webp"></label>
        <input type="color" class="color" value="#000000" aria-label="Color of the pen">
        <label class="hint">Pen <input type="range" class="width" min="2" max="40" value="6" aria-label="Width of the pen"></label>
        <button type="button" class="clear">Clear</button>
      </div>
      <div class="seen-row" hidden><canvas class="seen" width="128" height="128" role="img" aria-label="What the model sees"></canvas><p class="hint"></p></div>`;
    this.canvas = this.element.querySelector(".pad");
    this.pen = this.canvas.getContext("2d");
    this.clear();
    this.#listen();
  }

  clear() {
    Object.assign(this, { file: null, drawn: false });
    this.asked++;
    this.pen.fillStyle = "#fff";
    this.pen.fillRect(0, 0, SIDE, SIDE);
    this.element.querySelector(".seen-row").hidden = true;
  }

  // Base64 of the picture's file, or null without one.
  async value() {
    const bytes = this.drawn ? await this.#png() : this.file;
    return bytes ? textOf(new Uint8Array(await bytes.arrayBuffer())) : null;
  }

  async take(file) {
    this.tell(null);
    const number = ++this.asked;
    try {
      const seen = await this.server.look("image", file);
      if (number !== this.asked) return; // another one came meanwhile
      await this.#fill(file);
      Object.assign(this, { file, drawn: false });
      await this.#seen(seen);
    } catch (error) {
      this.tell(error.message);
    }
  }

  async #fill(file) {
    const picture = await createImageBitmap(file);
    const short = Math.min(picture.width, picture.height);
    const [left, top] = [(picture.width - short) / 2, (picture.height - short) / 2];
    this.pen.imageSmoothingEnabled = short > SIDE;
    this.pen.fillStyle = "#fff";
    this.pen.fillRect(0, 0, SIDE, SIDE);
    this.pen.drawImage(picture, left, top, short, short, 0, 0, SIDE, SIDE);
  }

  async #seen({ picture, db, notes }) {
    const row = this.element.querySelector(".seen-row");
    row.hidden = false;
    const canvas = row.querySelector("canvas");
    canvas.getContext("2d").imageSmoothingEnabled = false;
    canvas.getContext("2d").drawImage(await pictureOf(picture), 0, 0, canvas.width, canvas.height);
    row.querySelector("p").classList.toggle("far", notes.length > 0);
    row.querySelector("p").textContent = [`The model sees this (${db} dB).`, ...notes].join(" ");
  }

  #png = () => new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));

  #listen() {
    const { element, canvas } = this;
    element.querySelector(".clear").onclick = () => this.clear();
    element.querySelector(".file").onchange = ({ target }) => (target.files[0] && this.take(target.files[0]), (target.value = ""));
    element.ondragover = (event) => (event.preventDefault(), element.classList.add("over"));
    element.ondragleave = () => element.classList.remove("over");
    element.ondrop = (event) => {
      event.preventDefault();
      element.classList.remove("over");
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    };
    canvas.onpointerdown = (event) => (canvas.setPointerCapture(event.pointerId), (this.last = this.#at(event)), this.#line(event));
    canvas.onpointermove = (event) => this.last && this.#line(event);
    canvas.onpointerup = canvas.onpointercancel = () => this.last && ((this.last = null), this.#drawn());
  }

  #at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * SIDE, ((clientY - box.top) / box.height) * SIDE];
  }

  #line(event) {
    const next = this.#at(event);
    this.pen.strokeStyle = this.element.querySelector(".color").value;
    this.pen.lineWidth = this.element.querySelector(".width").value;
    this.pen.lineCap = "round";
    this.pen.beginPath();
    this.pen.moveTo(...this.last);
    this.pen.lineTo(...next);
    this.pen.stroke();
    this.last = next;
    this.drawn = true;
  }

  async #drawn() {
    const number = ++this.asked;
    try {
      const seen = await this.server.look("image", await this.#png());
      if (number === this.asked) await this.#seen(seen);
    } catch (error) {
      this.tell(error.message);
    }
  }
}
