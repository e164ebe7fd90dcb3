// What the server answers. Knows its addresses and its JSON; knows no page. The messages of errors are shown to people.

const GONE = "No connection to the server. Is it still running? Start it again, then press Run.";
export const MOST_BYTES = 12_000_000; // of a file: a request of 16 MiB holds it in base64

export class Server {
  constructor(token) {
    this.headers = token ? { Authorization: `Bearer ${token}` } : {};
  }

  model = () => this.#ask("model").then((answer) => answer.json());
  show = (modality, codes) => this.#post("show", JSON.stringify({ modality, codes })).then((answer) => answer.json());

  // What the model sees of a file's bytes. count: codes of an answer that a picture becomes, or nothing.
  look(modality, bytes, count) {
    if ((bytes.size ?? bytes.byteLength) > MOST_BYTES) throw new Error(`The file is larger than ${MOST_BYTES / 1e6} MB; make it smaller.`);
    return this.#post(`look?modality=${modality}${count ? `&count=${count}` : ""}`, bytes).then((answer) => answer.json());
  }

  // {heard, text} of samples at 16 kHz.
  hear = (samples) => this.#post("hear", samples).then((answer) => answer.json());

  // Runs until the end, or until the signal aborts: then it throws an AbortError, and the server stops computing.
  async run(asked, onEvent, signal) {
    const answer = await this.#post("run", JSON.stringify(asked), signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let ended = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (text + value).split("\n");
      text = lines.pop();
      for (const line of lines) {
        const event = JSON.parse(line);
        if (event.event === "error") throw new Error(event.message);
        ended ||= event.event === "done";
        onEvent(event);
      }
    }
    if (!ended) throw new Error(GONE);
  }

  #post = (path, body, signal) => this.#ask(path, { method: "POST", body, signal });

  async #ask(path, options = {}) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: this.headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(GONE);
    }
    if (answer.ok) return answer;
    const sentence = answer.headers.get("content-type")?.includes("json") ? (await answer.json()).error : await answer.text();
    throw new Error(sentence);
  }
}

export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
export const pictureOf = (text) => createImageBitmap(new Blob([bytesOf(text)], { type: "image/png" }));

export function textOf(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}
