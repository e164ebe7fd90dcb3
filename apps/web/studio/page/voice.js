// A sound that is given: recorded, dropped or chosen. Knows samples; the server draws its spectrogram.

import { pictureOf, textOf } from "./server.js";
import { decoded, play, RATE_HZ, record } from "./sound.js";

const LONGEST_S = 60;

export class Voice {
  // tell(words): an error for people, or null
  constructor(server, tell) {
    Object.assign(this, { server, tell, samples: null, recording: null });
    this.element = document.createElement("div");
    this.element.innerHTML = `
      <canvas class="wave" width="512" height="128" role="img" aria-label="Spectrogram of the sound"></canvas>
      <div class="row">
        <button type="button" class="record" aria-pressed="false">Record</button>
        <label class="button">Choose…<input type="file" class="file" accept="audio/*"></label>
        <button type="button" class="play" disabled>Listen</button>
      </div>
      <p class="hint">Record, choose or drop a sound.</p>`;
    this.button = this.element.querySelector(".record");
    this.button.onclick = () => (this.recording ? this.#stop() : this.#start());
    this.element.querySelector(".play").onclick = () => play(this.samples);
    this.element.querySelector(".file").onchange = ({ target }) => (target.files[0] && this.take(target.files[0]), (target.value = ""));
    this.element.ondragover = (event) => (event.preventDefault(), this.element.classList.add("over"));
    this.element.ondragleave = () => this.element.classList.remove("over");
    this.element.ondrop = (event) => {
      event.preventDefault();
      this.element.classList.remove("over");
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    };
  }

  // Base64 of the samples, or null without any.
  async value() {
    if (this.recording) await this.#stop();
    return this.samples ? textOf(new Uint8Array(this.samples.buffer)) : null;
  }

  async take(file) {
    try {
      await this.#given(await decoded(file));
    } catch (error) {
      this.tell(error.message);
    }
  }

  async #start() {
    this.tell(null);
    try {
      this.recording = await record((words) => this.#stop().then(() => this.tell(words.replace("Start", "Record"))));
    } catch (error) {
      return this.tell(error.message.replace("Start", "Record"));
    }
    this.button.textContent = "Stop recording";
    this.button.setAttribute("aria-pressed", "true");
    this.timer = setTimeout(() => this.#stop(), 1000 * LONGEST_S);
  }

  async #stop() {
    const recording = this.recording;
    this.recording = null;
    clearTimeout(this.timer);
    this.button.textContent = "Record";
    this.button.setAttribute("aria-pressed", "false");
    if (recording) await this.#given(await recording.stop());
  }

  async #given(samples) {
    this.tell(null);
    try {
      const { picture } = await this.server.look("speech", samples);
      this.samples = samples;
      const canvas = this.element.querySelector(".wave");
      canvas.getContext("2d").drawImage(await pictureOf(picture), 0, 0, canvas.width, canvas.height);
      this.element.querySelector(".hint").textContent = `${(samples.length / RATE_HZ).toFixed(1)} s`;
      this.element.querySelector(".play").disabled = false;
    } catch (error) {
      this.tell(error.message);
    }
  }
}
