// One answer: its settings, its run, every pass of it, and the brush. Knows one panel of the page and the server.

import { bytesOf, pictureOf } from "./server.js";
import { play } from "./sound.js";
import { Stage } from "./stage.js";

const DEFAULT_PASSES = 8;
const MOST_PASSES = 64;
const PLAYED_MS = 350; // for each pass
const UNIT = { passes: 0, guidance: 1, temperature: 1, seed: 0 }; // digits shown after the point

export class Panel {
  // fill(panel, keep): the page starts a run that keeps these codes. tell(words): an error for people, or null
  constructor(title, model, server, tell, fill) {
    Object.assign(this, { model, server, tell, frames: [], at: 0, keep: null, sound: null, loading: false });
    this.element = document.getElementById("panel-template").content.firstElementChild.cloneNode(true);
    this.element.querySelector("h2").textContent = title;
    this.element.setAttribute("aria-label", `Answer ${title}`);
    this.stage = new Stage(this.find(".stage"), (count) => (this.do("fill").disabled = !count));
    this.fillRegion = () => fill(this, this.span.codes.map((code, i) => (this.stage.marked.has(i) ? null : code)));
    this.#listen();
  }

  find = (selector) => this.element.querySelector(selector);
  do = (name) => this.find(`[data-do="${name}"]`);
  set = (name) => this.find(`[data-set="${name}"]`);

  // ---- settings

  show(task) {
    this.task = task;
    this.reset();
    for (const name of ["rule", "order"])
      this.set(name).replaceChildren(...this.model[`${name}s`].map((value) => new Option(value, value)));
    const positions = Math.max(...Object.values(task.positions));
    this.set("passes").max = Math.min(MOST_PASSES, positions);
    this.settings = { ...task.schedule, passes: task.schedule.passes ?? Math.min(DEFAULT_PASSES, positions) };
    this.set("guidance").disabled = !task.guides;
    this.find(".button").hidden = !(task.outputs.includes("image") && task.shows.includes("image"));
  }

  get settings() {
    const rule = this.set("rule").value;
    const chosen = { rule, order: this.set("order").value, temperature: this.#number("temperature"), seed: this.#number("seed") };
    if (rule === "quota") chosen.passes = this.#number("passes");
    if (this.task.guides) chosen.guidance = this.#number("guidance");
    return chosen;
  }

  set settings(given) {
    for (const [name, value] of Object.entries(given)) {
      const field = this.set(name);
      if (!field || value === null || value === undefined) continue;
      if (field.type === "range" && value > Number(field.max)) field.max = value;
      field.value = value;
    }
    this.#told();
  }

  #number = (name) => Number(this.set(name).value);

  #told() {
    for (const [name, digits] of Object.entries(UNIT))
      this.set(name).nextElementSibling.textContent = this.#number(name).toFixed(digits);
    this.set("passes").disabled = this.set("rule").value !== "quota";
  }

  // ---- a run

  reset() {
    this.find(".shown").hidden = this.find(".read").hidden = true;
    this.frames = [];
    this.keep = null;
    this.#paint(false);
    this.do("paint").hidden = this.do("sound").hidden = true;
    this.do("save").disabled = true;
    this.#state("");
  }

  async run(inputs, keep, signal) {
    this.reset();
    this.keep = keep;
    this.#state("Waiting for the model");
    this.follows = true;
    const asked = { task: this.task.name, inputs, schedule: this.settings, ...(keep && { keep: { image: keep } }) };
    try {
      await this.server.run(asked, (event) => this.#event(event), signal);
    } catch (error) {
      this.#state(error.name === "AbortError" ? "Stopped" : "");
      if (error.name !== "AbortError") this.tell(error.message);
    }
  }

  // A picture of the person's own, as if the model had made it.
  async edit(file) {
    this.tell(null);
    try {
      const { codes } = await this.server.look("image", file, this.task.positions.image);
      this.reset();
      const none = codes.map(() => 0);
      this.frames = [{ number: 0, spans: [{ modality: "image", codes, masked: none, confidence: codes.map(() => 1) }] }];
      await this.goto(0);
      this.#finished();
      this.#paint(true);
      this.#state("Your picture, as the model can show it. Mark a region, say what the whole picture shows, and fill it.");
    } catch (error) {
      this.tell(error.message);
    }
  }

  #event(event) {
    if (event.event === "queued") this.#state("Waiting for another run to end");
    if (event.event === "started") {
      this.#state(["Running.", ...event.notes].join(" "));
      this.notes = event.notes;
      this.#prompt(event.prompt);
      this.frames = [event];
      this.goto(0);
    }
    if (event.event === "step") {
      this.frames.push(event);
      this.find(".pass").max = this.frames.length - 1;
      if (this.follows) this.goto(this.frames.length - 1);
    }
    if (event.event === "done") {
      this.text = event.text;
      const passes = `${event.passes} ${event.passes === 1 ? "pass" : "passes"}`;
      this.#state([`Done: ${passes} in ${event.seconds.toFixed(2)} s.`, ...this.notes].join(" "));
      this.#finished();
    }
  }

  #finished() {
    this.do("save").disabled = false;
    const last = this.frames.at(-1)?.spans.find(({ modality }) => modality === "image");
    this.do("paint").hidden = !last || !this.task.shows.includes("image") || last.codes.includes(null);
  }

  #prompt(tokens) {
    this.find(".read").hidden = false;
    const words = tokens.map((token) => (typeof token === "string" ? token : `${token.count} × ${token.modality}`));
    this.find(".prompt").replaceChildren(...words.map((word) => Object.assign(document.createElement("span"), { textContent: word })));
  }

  // ---- one pass

  get frame() {
    return this.frames[this.at];
  }

  // The span of codes that is shown on the canvas, if the answer has one.
  get span() {
    return this.frame?.spans.find(({ modality }) => modality !== "text" && this.task.shows.includes(modality));
  }

  async goto(at) {
    this.at = Math.min(this.frames.length - 1, Math.max(0, at));
    const pass = this.find(".pass");
    pass.max = this.frames.length - 1;
    pass.value = this.at;
    pass.setAttribute("aria-valuetext", `pass ${this.frame.number}`);
    this.find(".shown").hidden = false;
    this.#draw();
    if (this.loading) return; // the newest is drawn after it
    this.#busy(true);
    try {
      for (let frame = null; frame !== this.frame; ) {
        frame = this.frame;
        await this.#load(frame, this.span);
      }
      this.#draw();
    } catch (error) {
      this.tell(error.message);
    } finally {
      this.#busy(false);
    }
  }

  #busy(loading) {
    this.loading = loading;
    this.find(".stage").setAttribute("aria-busy", loading);
  }

  async #load(frame, span) {
    if (frame.picture || !span || span.codes.every((code) => code === null)) return;
    const made = await this.server.show(span.modality, span.codes.map((code) => code ?? 0));
    frame.file = bytesOf(made.picture);
    frame.sound = made.sound && bytesOf(made.sound);
    frame.picture = await pictureOf(made.picture);
  }

  #draw() {
    const { frame, span } = this;
    const guesses = this.find(".guess").checked;
    this.find(".stage").hidden = !span;
    if (span) {
      this.stage.show(span, frame.picture ?? null, guesses, span.modality === "speech");
      const left = span.masked.reduce((a, b) => a + b, 0);
      this.find(".stage").setAttribute("aria-label", `${span.modality} after pass ${frame.number}, ${left} of ${span.codes.length} codes masked`);
    }
    const texts = frame.spans.filter((one) => one.modality === "text");
    const codes = frame.spans.filter((one) => one.modality !== "text" && one !== span);
    this.find(".tokens").replaceChildren(...texts.map((one) => this.#tokens(one, guesses)), ...codes.map((one) => this.#codes(one)));
    this.do("sound").hidden = !frame.sound;
    const total = frame.spans.reduce((sum, one) => sum + one.codes.length, 0);
    const cost = !frame.number ? "" : ` · ${frame.rows} rows · ${(1000 * frame.seconds).toFixed(0)} ms`;
    this.find(".caption").textContent = `Pass ${frame.number} of ${this.frames.at(-1).number} · ${total - (frame.masked ?? 0)} of ${total} filled${cost}`;
    this.do("back").disabled = this.at === 0;
    this.do("on").disabled = this.at === this.frames.length - 1;
  }

  #tokens({ name, tokens, masked, confidence, useful }, guesses) {
    const line = Object.assign(document.createElement("span"), { className: name });
    const words = tokens.slice(0, useful).map((token, i) => {
      const shown = Object.assign(document.createElement("span"), { textContent: token !== null && (guesses || !masked[i]) ? token : "░" });
      if (masked[i]) shown.className = "masked";
      if (masked[i]) shown.style.setProperty("--sure", `${Math.round(100 * confidence[i])}%`);
      shown.title = masked[i] ? `masked, ${Math.round(100 * confidence[i])} % sure` : "committed";
      return shown;
    });
    line.append(...words);
    return line;
  }

  // Codes that the bundle has no codec for.
  #codes({ modality, codes, masked }) {
    const words = codes.map((code, i) => (code === null || masked[i] ? "░" : code)).join(" ");
    return Object.assign(document.createElement("span"), { textContent: `${modality}: ${words}` });
  }

  #state = (words) => (this.find(".state").textContent = words);

  // ---- controls

  #listen() {
    const buttons = {
      back: () => this.#step(-1),
      on: () => this.#step(1),
      play: () => this.#play(),
      sound: () => play(this.frame.sound),
      save: () => this.#save(),
      paint: () => this.#paint(!this.stage.painting),
      none: () => this.stage.clear(),
      fill: () => this.fillRegion(),
    };
    for (const [name, act] of Object.entries(buttons)) this.do(name).onclick = act;
    this.find(".settings").addEventListener("input", () => this.#told());
    this.find(".pass").oninput = ({ target }) => this.#step(Number(target.value) - this.at);
    this.find(".guess").onchange = () => this.#draw();
    this.find(".size").oninput = ({ target }) => (this.stage.brush = Number(target.value));
    this.find(".edit").onchange = ({ target }) => (target.files[0] && this.edit(target.files[0]), (target.value = ""));
    this.find(".stage").addEventListener("keydown", ({ key }) => {
      if (!this.stage.painting && (key === "ArrowLeft" || key === "ArrowRight")) this.#step(key === "ArrowLeft" ? -1 : 1);
    });
  }

  #step(by) {
    this.follows = false;
    clearInterval(this.timer);
    if (this.stage.painting) this.#paint(false);
    this.goto(this.at + by);
    this.#finished();
  }

  #play() {
    this.#step(-this.at);
    this.timer = setInterval(() => {
      if (this.at === this.frames.length - 1) return clearInterval(this.timer);
      this.goto(this.at + 1);
    }, PLAYED_MS);
  }

  #paint(on) {
    if (on && this.frames.length && this.at !== this.frames.length - 1) this.goto(this.frames.length - 1);
    this.stage.paint(on);
    if (!on) this.stage.clear();
    this.find(".brush").hidden = !on;
    this.do("paint").setAttribute("aria-pressed", on);
    if (on) this.find(".stage").focus();
  }

  #save() {
    const { frame, span } = this;
    const [name, data] = frame.sound ? ["wav", frame.sound] : span ? ["png", frame.file] : ["txt", `${this.text}\n`];
    if (!data) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([data]));
    link.download = `${this.task.name}-pass-${frame.number}.${name}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}
