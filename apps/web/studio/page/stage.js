// An answer's picture on a canvas: masks as a checkerboard, guesses under it as far as they are sure, and the brush.
// Knows codes and pixels; knows no server and no settings.

const SQUARES = 4; // of the checkerboard, on each side of a code

export class Stage {
  // onMark(count): the number of marked codes changed
  constructor(canvas, onMark) {
    Object.assign(this, { canvas, onMark, pen: canvas.getContext("2d"), marked: new Set(), painting: false, brush: 0, cursor: 0 });
    this.wide = false;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", () => (this.stroke = null));
    canvas.addEventListener("pointercancel", () => (this.stroke = null));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  // span: {codes, masked, confidence}. picture: an ImageBitmap or null. wide: a spectrogram, whose codes are one row.
  show(span, picture, guesses, wide) {
    Object.assign(this, { span, picture, guesses, wide });
    this.canvas.classList.toggle("wide", wide);
    this.canvas.width = wide ? 1024 : 512;
    this.canvas.height = wide ? 256 : 512;
    this.draw();
  }

  get columns() {
    return this.wide ? this.span.codes.length : Math.ceil(Math.sqrt(this.span.codes.length));
  }

  get rows() {
    return Math.ceil(this.span.codes.length / this.columns);
  }

  draw() {
    const { pen, canvas } = this;
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = "#888";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (this.picture) pen.drawImage(this.picture, 0, 0, canvas.width, canvas.height);
    this.span.codes.forEach((code, i) => {
      if (this.span.masked[i]) this.#checkered(i, code === null || !this.guesses || !this.picture ? 1 : 1 - this.span.confidence[i]);
    });
    if (this.painting) this.#marks();
  }

  #box(i) {
    const [width, height] = [this.canvas.width / this.columns, this.canvas.height / this.rows];
    return [(i % this.columns) * width, Math.floor(i / this.columns) * height, width, height];
  }

  #checkered(i, opacity) {
    const [left, top, width, height] = this.#box(i);
    const side = Math.min(width, height) / SQUARES;
    this.pen.globalAlpha = opacity;
    for (let y = 0; y * side < height - 1e-6; y++)
      for (let x = 0; x * side < width - 1e-6; x++) {
        this.pen.fillStyle = (x + y) % 2 ? "#8d8d8d" : "#b4b4b4";
        this.pen.fillRect(left + x * side, top + y * side, Math.min(side, width - x * side), side);
      }
    this.pen.globalAlpha = 1;
  }

  #marks() {
    const { pen } = this;
    pen.fillStyle = "rgb(36 86 200 / 55%)";
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2;
    for (const i of this.marked) {
      pen.fillRect(...this.#box(i));
      pen.strokeRect(...this.#box(i));
    }
    pen.strokeStyle = "#e0541b";
    pen.lineWidth = 4;
    if (document.activeElement === this.canvas) pen.strokeRect(...this.#box(this.cursor));
  }

  // ---- the brush

  paint(on) {
    this.painting = on;
    this.canvas.classList.toggle("painting", on);
    if (this.span) this.draw();
  }

  clear() {
    this.marked.clear();
    this.#changed();
  }

  #down(event) {
    if (!this.painting) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = { adds: !this.marked.has(this.#at(event)) };
    this.#touch(this.#at(event), this.stroke.adds);
  }

  #move(event) {
    if (this.painting && this.stroke) this.#touch(this.#at(event), this.stroke.adds);
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    if (!this.painting || !(event.key in steps || event.key === " ")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === " ") return this.#touch(this.cursor, !this.marked.has(this.cursor));
    const next = this.cursor + steps[event.key];
    if (next >= 0 && next < this.span.codes.length) this.cursor = next;
    this.draw();
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    const cell = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const row = cell((event.clientY - box.top) / box.height, this.rows);
    return row * this.columns + cell((event.clientX - box.left) / box.width, this.columns);
  }

  #touch(at, adds) {
    this.cursor = at;
    const [row, column] = [Math.floor(at / this.columns), at % this.columns];
    for (let y = Math.max(0, row - this.brush); y <= Math.min(this.rows - 1, row + this.brush); y++)
      for (let x = Math.max(0, column - this.brush); x <= Math.min(this.columns - 1, column + this.brush); x++) {
        const i = y * this.columns + x;
        if (i < this.span.codes.length) adds ? this.marked.add(i) : this.marked.delete(i);
      }
    this.#changed();
  }

  #changed() {
    if (this.span) this.draw();
    this.onMark(this.marked.size);
  }
}
