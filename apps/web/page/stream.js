// The WebSocket to the server, opened again when it drops. Knows the protocol; knows no microphone and no page.

const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 8;
const STEADY_S = 5; // after a connection that lasted this long, the next wait is short again
const UNSENT_BYTES = 6_000_000; // half a minute of audio at 48 kHz
const FINAL = {
  1003: "The server refused the audio. Load the page again.",
  1008: "The server needs a token. Open the complete address that “unmask serve” printed, then press Start.",
  1009: "The server refused the audio. Load the page again.",
};
const PASSING = {
  1001: "The server was stopped. Start it again with “unmask serve”; this page reconnects automatically.",
  1013: "The server is full. This page tries again automatically.",
};
const REFUSED =
  "The server answers, but this page gets no captions from it. Behind a proxy: start “unmask serve” with " +
  `--origin ${location.origin}, and let the proxy pass WebSockets. This page tries again automatically.`;
const GONE = "No connection to the server. Is “unmask serve” still running? This page reconnects automatically.";

// rate: of the samples, in Hz. hears: opened(), event(object), waiting(seconds, words), ended(words or null)
export class Stream {
  constructor(url, rate, hears) {
    url.searchParams.set("rate", rate);
    Object.assign(this, { url, rate, hears, wait_s: FIRST_WAIT_S, stopping: false, over: false });
    this.connect();
  }

  connect() {
    const socket = (this.socket = new WebSocket(this.url));
    const began = performance.now();
    this.sent = 0; // samples
    this.blocks = []; // not yet answered: [samples sent up to its end, when]
    let opened = false;
    socket.onopen = () => ((opened = true), this.hears.opened());
    socket.onmessage = ({ data }) => this.hears.event(JSON.parse(data));
    socket.onclose = async ({ code }) => {
      if (performance.now() - began > 1000 * STEADY_S) this.wait_s = FIRST_WAIT_S;
      if (this.stopping) this.end(null);
      else if (code in FINAL) this.end(FINAL[code]);
      else {
        const words = PASSING[code] ?? (!opened && (await pageIsServed()) ? REFUSED : GONE);
        if (!this.over) this.again(words); // stopped meanwhile
      }
    };
  }

  again(words) {
    this.hears.waiting(this.wait_s, words);
    this.timer = setTimeout(() => this.connect(), 1000 * this.wait_s * (0.8 + 0.4 * Math.random()));
    this.wait_s = Math.min(LONGEST_WAIT_S, 2 * this.wait_s);
  }

  // words: that may be said from now on
  expect(words) {
    if (this.socket.readyState === WebSocket.OPEN && !this.stopping) this.socket.send(JSON.stringify({ type: "expect", words }));
  }

  send(block) {
    if (this.socket.readyState !== WebSocket.OPEN || this.stopping) return;
    if (this.socket.bufferedAmount > UNSENT_BYTES) return this.socket.close();
    this.socket.send(block);
    this.sent += block.length;
    this.blocks.push([this.sent, performance.now()]);
  }

  // Seconds since the audio that the server had heard by `time_s` was sent.
  behind_s(time_s) {
    while (this.blocks.length > 1 && this.blocks[0][0] < this.rate * time_s) this.blocks.shift();
    return this.blocks.length ? (performance.now() - this.blocks[0][1]) / 1000 : 0;
  }

  // The server still sends its last events, for which the page waits a while.
  stop() {
    this.stopping = true;
    if (this.socket.readyState !== WebSocket.OPEN) return this.end(null);
    this.socket.send('{"type": "stop"}');
    this.timer = setTimeout(() => this.end(null), 5000);
  }

  end(words) {
    this.over = true;
    clearTimeout(this.timer);
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.hears.ended(words);
  }
}

// Whether the server answers at all: a browser does not say why a WebSocket did not open.
async function pageIsServed() {
  try {
    return (await fetch("stream.js", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}
