// The page: requests go to the server, messages of A2UI come back and are shown, and what people do is sent as events.

import { openMicrophone } from "../microphone.js";
import { Stream } from "../stream.js";
import { Surface } from "./surface.js";

const WAIT_MS = 1000;
const BLOCK_S = 0.032; // as hearing.py has it: a pause that ends a request is noticed at a block's end
const EVENTS = 5; // shown at once
const by = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const kiosk = new URLSearchParams(location.search).get("kiosk") === "1";
document.documentElement.toggleAttribute("data-kiosk", kiosk);

let socket;
let speech = null; // {microphone, stream}

function address(path) {
  const url = new URL(path, location.href.replace(/^http/, "ws"));
  if (token) url.searchParams.set("token", token);
  return url;
}

function connect() {
  socket = new WebSocket(address("stream"));
  socket.onopen = () => (surface.clear(), show("listening"));
  socket.onmessage = ({ data }) => take(JSON.parse(data));
  socket.onclose = ({ code, reason }) => {
    show("waiting", `No connection to the server${reason ? `: ${reason}` : ""}`);
    if (code !== 1008) setTimeout(connect, WAIT_MS);
  };
}

function send(frame) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

const surface = new Surface(by("panel"), {
  action: (action) => (send({ version: "v0.9", action }), log(action)),
  change: (path, value) => send({ version: "v0.9", change: { surfaceId: "main", path, value } }),
});

function take(frame) {
  if (frame.state) {
    show(frame.state);
    by("said").textContent = frame.said;
    by("said").hidden = !frame.said;
    if (speech) send({ listen: true });
  } else if (frame.expect) speech?.stream?.expect(frame.expect);
  else if (frame.error) {
    by("said").textContent = frame.error.message;
    by("said").hidden = false;
    show("not understood");
  } else if (frame.version) surface.take(frame);
  by("hint").hidden = surface.shown;
}

function show(state, words = state) {
  by("state").dataset.state = state;
  by("state").textContent = words[0].toUpperCase() + words.slice(1);
}

function log({ name, context }) {
  const item = document.createElement("li");
  item.textContent = `${name} ${JSON.stringify(context)}`;
  by("events").prepend(item);
  while (by("events").children.length > EVENTS) by("events").lastChild.remove();
}

function ask(text, final = true, paused = false) {
  by("transcript").textContent = text;
  if (final) show("thinking");
  send({ request: text, final, paused });
}

// ---- speech, through the captions of the same server

let heard = ""; // the last update: whether its text was all stable, and the stable text

function hear(event) {
  if (event.event === "updated") {
    by("transcript").textContent = event.stable + event.tentative;
    const paused = !event.tentative;
    const update = `${paused} ${event.stable}`;
    if (event.stable.trim().includes(" ") && update !== heard) ask(event.stable, false, paused);
    heard = update;
  } else if (event.event === "segment_ended" && /\w/.test(event.stable)) ask(event.stable.trim());
}

async function speak() {
  if (speech) return hush(null);
  speech = { microphone: null, stream: null };
  by("speak").setAttribute("aria-pressed", "true");
  try {
    speech.microphone = await openMicrophone((block) => speech?.stream?.send(block), hush, BLOCK_S);
  } catch (error) {
    return hush(error.message);
  }
  speech.stream = new Stream(address("../captions"), speech.microphone.rate, {
    opened: () => (show("listening"), send({ listen: true })),
    event: hear,
    waiting: (_, words) => show("waiting", words),
    ended: hush,
  });
}

function hush(words) {
  const ended = speech;
  speech = null;
  ended?.microphone?.close();
  if (ended?.stream && !ended.stream.over) ended.stream.stop();
  by("speak").setAttribute("aria-pressed", "false");
  if (words) show("waiting", words);
}

by("ask").onsubmit = (event) => {
  event.preventDefault();
  const text = by("request").value.trim();
  if (text) ask(text);
  by("request").value = "";
};
by("speak").onclick = speak;
connect();
