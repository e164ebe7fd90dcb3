// The page: captions, controls and messages to people. Audio comes from microphone.js, events from stream.js.

import { openMicrophone } from "./microphone.js";
import { Stream } from "./stream.js";

const SHOWN = 200; // finished captions on the page; all are kept for saving
const QUIET_S = 5; // without any sound for this long, the microphone may be muted
const IDLE_S = 6; // after this long without speech an overlay disappears
const SIZES = [20, 24, 28, 32, 38, 44, 52, 60, 72, 84, 96]; // pixels

const by = (id) => document.getElementById(id);
const root = document.documentElement;
const query = new URLSearchParams(location.search);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const overlay = query.get("overlay") === "1";
const url = new URL("captions", location.href.replace(/^http/, "ws")); // beside the page, also below a proxy's prefix
if (token) url.searchParams.set("token", token);

const ended = []; // {text, cues: [{start_s, end_s, lines}]}, in seconds since the first start
let running = null; // {microphone, stream, current, offset_s}
let firstStart = null;
let heardAt = 0;
let idleTimer;

// ---- running

// opens: gives what is heard, as openMicrophone does; a page that reads recordings gives all `samples` of one, and its `name`.
export async function start(opens = openMicrophone, words = "Asking for the microphone") {
  if (running) return;
  const run = (running = { microphone: null, stream: null, current: null, offset_s: 0 });
  show("waiting", words);
  tell(null);
  by("start").textContent = "Stop";
  by("start").setAttribute("aria-pressed", "true");
  heardAt = performance.now();
  try {
    run.microphone = await opens((block) => onBlock(run, block), (words) => stop(words));
  } catch (error) {
    return halt(error.message);
  }
  if (running !== run) return run.microphone.close(); // stopped meanwhile
  if (!run.microphone.samples) firstStart ??= performance.now();
  show("waiting", "Connecting");
  const hears = {
    opened: () => onOpened(run),
    event: (event) => onEvent(run, event),
    waiting: (seconds, words) => onWaiting(run, seconds, words),
    ended: (words) => running === run && (keep(run), halt(words ?? run.lost ?? null)),
  };
  run.stream = new Stream(url, run.microphone.rate, hears, run.microphone.samples);
}

function stop(words = null) {
  if (!running) return;
  running.microphone?.close();
  running.microphone = null;
  running.lost = words;
  if (!running.stream) return halt(words);
  show("waiting", "Finishing");
  running.stream.stop();
}

function halt(words) {
  running?.microphone?.close();
  running = null;
  show("stopped", "Stopped");
  tell(words);
  by("lag").textContent = "";
  by("level").style.transform = "scaleX(0)";
  by("start").textContent = "Start";
  by("start").setAttribute("aria-pressed", "false");
}

function onOpened(run) {
  const last = ended.at(-1)?.cues.at(-1)?.end_s ?? 0;
  run.offset_s = Math.max(last, run.microphone.samples ? 0 : (performance.now() - firstStart) / 1000);
  show("listening", run.microphone.name ? `Reading ${run.microphone.name}` : "Listening");
  tell(null);
}

function onWaiting(run, seconds, words) {
  keep(run);
  show("waiting", `Connecting again in ${Math.ceil(seconds)} s`);
  by("lag").textContent = "";
  tell(words);
}

function onBlock(run, block) {
  run.stream?.send(block);
  const power = block.reduce((sum, sample) => sum + sample * sample, 0) / block.length;
  const shown = Math.max(0, 1 + Math.log10(power + 1e-12) / 6); // -60 dB to full scale
  by("level").style.transform = `scaleX(${shown})`;
  if (block.some((sample) => Math.abs(sample) > 1e-4)) heardAt = performance.now();
  else if (performance.now() - heardAt > 1000 * QUIET_S && by("message").hidden) tell("The microphone gives no sound. Is it muted?", true);
  if (by("message").dataset.quiet && performance.now() - heardAt < 200) tell(null);
}

// ---- captions

function onEvent(run, event) {
  if (event.event === "closed") return;
  if (run.microphone?.samples) by("lag").textContent = `${event.time_s.toFixed(0)} of ${(run.microphone.samples.length / run.microphone.rate).toFixed(0)} s`;
  else by("lag").textContent = `${run.stream.behind_s(event.time_s).toFixed(2)} s behind`;
  if (event.event === "dropped") return note(`${event.dropped_s.toFixed(1)} s were not heard`);
  run.current = event;
  if (event.event === "segment_ended") {
    keep(run);
    return run.microphone?.samples ? null : show("listening", "Listening");
  }
  show("speech", "Hearing speech");
  by("stable").textContent = event.stable;
  by("tentative").textContent = event.tentative;
  busy(Boolean(event.stable + event.tentative));
}

// Move the open segment to the finished captions, also when the connection broke inside it.
function keep(run) {
  const event = run.current;
  run.current = null;
  by("stable").textContent = by("tentative").textContent = "";
  busy(false);
  const text = event ? event.stable + event.tentative : "";
  if (!text) return;
  const cues = event.cues ?? [{ start_s: event.start_s, end_s: event.end_s, lines: [text] }]; // a broken connection sent none
  ended.push({ text, cues: cues.map((cue) => ({ ...cue, start_s: run.offset_s + cue.start_s, end_s: run.offset_s + cue.end_s })) });
  line(text);
  document.querySelectorAll("[data-save]").forEach((button) => (button.disabled = false));
}

const note = (text) => (line(text).className = "gap");

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  by("ended").append(item);
  if (by("ended").children.length > SHOWN) by("ended").firstElementChild.remove();
  scroll();
  return item;
}

function busy(speaking) {
  by("hint").hidden = true;
  by("captions").classList.toggle("speaking", speaking);
  by("captions").classList.remove("idle");
  clearTimeout(idleTimer);
  if (!speaking) idleTimer = setTimeout(() => by("captions").classList.add("idle"), 1000 * IDLE_S);
  scroll();
}

// Follow the newest text, unless somebody reads further up.
let follows = true;
by("captions").addEventListener("scroll", ({ target }) => {
  follows = target.scrollHeight - target.scrollTop - target.clientHeight < 80;
});
function scroll() {
  if (follows || overlay) by("captions").scrollTop = by("captions").scrollHeight;
}

function show(state, words) {
  by("state").dataset.state = state;
  by("state-words").textContent = words;
}

function tell(words, quiet = false) {
  by("message").hidden = !words;
  by("message").textContent = words ?? "";
  if (quiet) by("message").dataset.quiet = "1";
  else delete by("message").dataset.quiet;
}

// ---- saving and appearance

const WRITERS = {
  txt: () => ended.map((segment) => `${segment.text}\n`).join(""),
  srt: () => cues().map((cue, i) => `${i + 1}\n${span(cue, ",")}\n${cue.lines.join("\n")}\n\n`).join(""),
  vtt: () => "WEBVTT\n\n" + cues().map((cue) => `${span(cue, ".")}\n${escaped(cue.lines.join("\n"))}\n\n`).join(""),
};

// All cues; none lasts longer than until the next one.
function cues() {
  const all = ended.flatMap((segment) => segment.cues);
  return all.map((cue, i) => ({ ...cue, end_s: Math.min(cue.end_s, all[i + 1]?.start_s ?? Infinity) }));
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const span = (cue, point) => `${clock(cue.start_s, point)} --> ${clock(cue.end_s, point)}`;

function clock(seconds, point) {
  const ms = Math.round(1000 * seconds);
  return String(Math.floor(ms / 3_600_000)).padStart(2, "0") + new Date(ms).toISOString().slice(13, 23).replace(".", point);
}

function save(format) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([WRITERS[format]()], { type: "text/plain" }));
  link.download = `captions-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function resize(step) {
  const now = parseFloat(getComputedStyle(root).getPropertyValue("--size"));
  const nearest = SIZES.reduce((best, size, i) => (Math.abs(size - now) < Math.abs(SIZES[best] - now) ? i : best), 0);
  setSize((localStorage.size = SIZES[Math.min(SIZES.length - 1, Math.max(0, nearest + step))]));
}

const setSize = (pixels) => pixels > 0 && root.style.setProperty("--size", `${pixels}px`);

function toggleTheme() {
  const dark = getComputedStyle(root).colorScheme === "dark";
  root.dataset.theme = localStorage.theme = dark ? "light" : "dark";
}

by("start").onclick = () => (running ? stop() : start());
by("smaller").onclick = () => resize(-1);
by("larger").onclick = () => resize(1);
by("theme").onclick = toggleTheme;
document.querySelectorAll("[data-save]").forEach((button) => (button.onclick = () => save(button.dataset.save)));
document.addEventListener("keydown", ({ key }) => key === "Escape" && stop());

setSize(Number(query.get("size") ?? localStorage.size));
if (localStorage.theme) root.dataset.theme = localStorage.theme;
root.classList.toggle("overlay", overlay);
if (overlay) {
  by("captions").classList.add("idle"); // an empty box is not shown
  start(); // there is no button to press
}
