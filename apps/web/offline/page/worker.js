// Where the model runs, beside the page: takes samples, gives progress and events. Each message is {type, ...}:
// in: start {id, rate}, samples {id, block}, stop {id}, whole {id, samples}; out: progress {loaded, total}, ready {device, choice},
// failed {words}, event {id, event}, done {id}. Its name is the device that the user chose, "" before a choice.

import { Captioner } from "./captioner.js";
import { cues } from "./cues.js";
import { listed, opened } from "./files.js";
import { Live } from "./live.js";
import { open } from "./model.js";
import { Resampler } from "./resampler.js";

const BACKLOG_S = 10; // of samples that may wait; beyond, the oldest are dropped
const asked = []; // messages that wait
let wake = () => {};
onmessage = ({ data }) => (asked.push(data), wake());

start().catch((error) => postMessage({ type: "failed", words: error.message }));

async function start() {
  const files = await listed();
  let loaded = 0;
  const load = await opened(files, (bytes) => postMessage({ type: "progress", loaded: (loaded += bytes), total: files.total }));
  const { model, vad, device } = await open(load, files.webgpu ? self.name : "cpu");
  postMessage({ type: "ready", device, choice: files.webgpu });
  for (let run = null; ; ) {
    if (!asked.length) await new Promise((resolve) => (wake = resolve));
    const message = asked.shift();
    if (message.type === "start") run = new Run(message, new Captioner(model), vad);
    else if (run?.id === message.id) await run[message.type](message);
    await new Promise((resolve) => setTimeout(resolve)); // lets messages in that came meanwhile
  }
}

class Run {
  constructor({ id, rate }, captioner, vad) {
    Object.assign(this, { id, rate, captioner, live: new Live(captioner, vad), resampler: new Resampler(rate) });
  }

  send(events) {
    for (const event of events) {
      const ended = event.event === "segment_ended";
      postMessage({ type: "event", id: this.id, event: ended ? { ...event, cues: cues(event.words) } : event });
    }
  }

  // A block and all that wait after it. What is too old is not heard.
  async samples({ block }) {
    const blocks = [block];
    while (asked[0]?.type === "samples" && asked[0].id === this.id) blocks.push(asked.shift().block);
    const waiting = blocks.reduce((total, { length }) => total + length, 0);
    if (waiting > BACKLOG_S * this.rate) {
      let lost = 0;
      while (waiting - lost > BACKLOG_S * this.rate) lost += blocks.shift().length;
      this.send(await this.live.feed(this.resampler.rest()));
      this.send(await this.live.drop(lost / this.rate));
    }
    for (const one of blocks) this.send(await this.live.feed(this.resampler.push(one)));
  }

  async stop() {
    this.send([...(await this.live.feed(this.resampler.rest())), ...(await this.live.flush())]);
    postMessage({ type: "done", id: this.id });
  }

  // A whole recording at 16 kHz.
  async whole({ samples }) {
    let segment = 0;
    for await (const part of this.captioner.parts(samples)) {
      const { text, words, start_s, end_s } = part;
      this.send([{ event: "segment_ended", segment: ++segment, time_s: end_s, start_s, end_s, stable: text, tentative: "", words }]);
      await new Promise((resolve) => setTimeout(resolve));
      if (asked.some((message) => message.id !== this.id || message.type === "stop")) break;
    }
    postMessage({ type: "done", id: this.id });
  }
}
