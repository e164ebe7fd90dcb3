// What a task takes: a text, a picture or a sound for each of its inputs. Pictures and sounds stay when another task is chosen.

import { Pad } from "./pad.js";
import { record } from "./sound.js";
import { Voice } from "./voice.js";

const LABELS = { text: "Text", image: "Picture", speech: "Sound" };

export class Inputs {
  // tell(words): an error for people, or null
  constructor(element, server, tell) {
    Object.assign(this, { element, server, tell, texts: {}, hears: false });
    this.made = { image: new Pad(server, tell), speech: new Voice(server, tell) };
  }

  show(task) {
    this.task = task;
    this.element.replaceChildren(...Object.entries(task.inputs).map(([name, modality]) => this.#field(name, modality)));
  }

  // {name: text, or base64}; an input that is not there is null.
  async values() {
    const values = {};
    for (const [name, modality] of Object.entries(this.task.inputs))
      values[name] = modality === "text" ? (this.texts[name] ?? "") : ((await this.made[modality]?.value()) ?? null);
    return values;
  }

  get hasMedia() {
    return Object.values(this.task.inputs).some((modality) => modality !== "text");
  }

  get textsOfTask() {
    const names = Object.keys(this.task.inputs).filter((name) => this.task.inputs[name] === "text");
    return Object.fromEntries(names.map((name) => [name, this.texts[name] ?? ""]));
  }

  #field(name, modality) {
    const field = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = (LABELS[modality] ?? modality) + (name === modality ? "" : ` (${name})`);
    field.append(legend, modality === "text" ? this.#text(name) : (this.made[modality]?.element ?? "not for this page"));
    return field;
  }

  #text(name) {
    const area = document.createElement("textarea");
    area.value = this.texts[name] ?? "";
    area.maxLength = 4000;
    area.setAttribute("aria-label", "Text");
    area.oninput = () => (this.texts[name] = area.value);
    const whole = document.createElement("div");
    whole.append(area, ...(this.hears ? [this.#microphone(area)] : []));
    return whole;
  }

  // A button that writes what is said into the text.
  #microphone(area) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Speak" });
    let recording = null;
    const end = async () => {
      const ended = recording;
      recording = null;
      Object.assign(button, { textContent: "Listening…", disabled: true });
      try {
        const { heard, text } = await this.server.hear(await ended.stop());
        Object.assign(area, { value: text, title: heard === text ? "" : `Heard: ${heard}` });
        area.oninput();
      } finally {
        Object.assign(button, { textContent: "Speak", disabled: false });
      }
    };
    const begin = async () => {
      recording = await record((words) => this.tell(words.replace("Start", "Speak")));
      button.textContent = "Done speaking";
    };
    button.onclick = () => {
      this.tell(null);
      return (recording ? end() : begin()).catch((error) => this.tell(error.message.replace("Start", "Speak")));
    };
    return button;
  }
}
