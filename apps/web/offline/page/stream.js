// Takes the place of the page's stream to a server: the same calls, answered by the worker beside the page. Also tells how much of
// the model has come, and keeps the page up to date. Knows the worker; knows no microphone.

const device = document.getElementById("device");
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: localStorage.device ?? "" });
const told = document.getElementById("loading");
let [ready, failed, open, last] = [false, null, null, 0];

worker.onmessage = ({ data }) => {
  if (data.type === "progress") tell(`Loading ${megabytes(data.loaded)} of ${megabytes(data.total)} MB`);
  if (data.type === "ready") (ready = true), open?.begin(), offer(data), keep(data.choice ? `Ready on the ${data.device}` : "Ready");
  if (data.type === "failed") fail(data.words);
  if (data.id !== open?.id) return;
  if (data.type === "event") open?.hears.event(data.event);
  if (data.type === "done") open?.end(null);
};
worker.onerror = (event) => fail(`This browser cannot run the model (${event.message ?? "its worker did not start"}). Use a newer one.`);

const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
const tell = (words) => (told.textContent = words);

function fail(words) {
  failed = words;
  tell(words);
  open?.end(words);
}

// rate: of the samples, in Hz. hears: opened(), event(object), ended(words or null). whole: a recording at 16 kHz, all at once.
export class Stream {
  constructor(_, rate, hears, whole = null) {
    Object.assign(this, { rate, hears, whole, id: ++last, sent: 0, blocks: [], waiting: [], begun: false });
    open = this;
    if (failed) queueMicrotask(() => this.end(failed));
    else if (ready) queueMicrotask(() => this.begin());
  }

  begin() {
    if (this.begun || open !== this) return;
    this.begun = true;
    worker.postMessage({ type: "start", id: this.id, rate: this.rate });
    this.hears.opened();
    if (this.whole) worker.postMessage({ type: "whole", id: this.id, samples: this.whole });
  }

  send(block) {
    if (!this.begun) return;
    worker.postMessage({ type: "samples", id: this.id, block });
    this.sent += block.length;
    this.blocks.push([this.sent, performance.now()]);
  }

  // Seconds since the audio that had been heard by `time_s` was sent.
  behind_s(time_s) {
    while (this.blocks.length > 1 && this.blocks[0][0] < this.rate * time_s) this.blocks.shift();
    return this.blocks.length ? (performance.now() - this.blocks[0][1]) / 1000 : 0;
  }

  stop() {
    if (!this.begun) return this.end(null);
    worker.postMessage({ type: "stop", id: this.id });
  }

  end(words) {
    if (open === this) open = null;
    this.hears.ended(words);
  }
}

// Where a folder has both, the page begins anew on the other device.
function offer({ device: runs, choice }) {
  device.hidden = !choice || !navigator.gpu;
  const other = runs === "GPU" ? "CPU" : "GPU";
  device.textContent = `Use the ${other}`;
  device.onclick = () => ((localStorage.device = other.toLowerCase()), location.reload());
}

// The page's own files are kept by sw.js. A folder that was replaced meanwhile is taken at the next visit.
async function keep(words) {
  tell(words);
  const latest = await fetch("files.json?latest", { cache: "no-store" }).then((answer) => answer.json()).catch(() => null);
  if (latest) await navigator.serviceWorker?.register(`sw.js?version=${latest.version}`).catch(() => null);
  if (await navigator.serviceWorker?.ready) tell(`${words}, also without a network`);
}
