// The page: what is asked for, one or two answers, the address that repeats a run, and messages to people.

import { read, write } from "./address.js";
import { Inputs } from "./inputs.js";
import { Panel } from "./panel.js";
import { Server } from "./server.js";

const by = (id) => document.getElementById(id);
const root = document.documentElement;
const server = new Server(read().token);
const inputs = new Inputs(by("inputs"), server, tell);
let model, panels;
let running = null; // AbortController

async function open() {
  model = await server.model();
  inputs.hears = model.hears;
  by("model").textContent = `${model.name}, on the machine that serves this page`;
  document.title = `Studio: ${model.name}`;
  panels = ["A", "B"].map((title) => new Panel(title, model, server, tell, fill));
  by("panels").append(...panels.map((panel) => panel.element));
  by("task").replaceChildren(...model.tasks.map(({ name, inputs, outputs }) => new Option(`${name}: ${kinds(inputs)} → ${outputs.join(" and ")}`, name)));
  by("run").disabled = false;
  restore();
}

const kinds = (inputs) => [...new Set(Object.values(inputs))].join(" and ");
const shown = () => (root.dataset.compare ? panels : panels.slice(0, 1));

function choose(name) {
  const task = model.tasks.find((one) => one.name === name) ?? model.tasks[0];
  by("task").value = task.name;
  inputs.show(task);
  panels.forEach((panel) => panel.show(task));
  note(task.lacks.length ? `This bundle has no codec that reads ${task.lacks.join(" and ")}, so this task cannot run here.` : null);
}

// ---- running

async function run() {
  const values = await inputs.values();
  const missing = Object.keys(values).filter((name) => values[name] === null);
  if (missing.length) return tell(`This task needs ${missing.join(" and ")}: draw, drop, choose or record it, then press Run.`);
  await start(values, shown().map((panel) => [panel, null]));
}

async function fill(panel, keep) {
  await start(await inputs.values(), [[panel, keep]]);
}

async function start(values, runs) {
  stop();
  tell(null);
  const mine = (running = new AbortController());
  by("stop").disabled = false;
  const all = Promise.all(runs.map(([panel, keep]) => panel.run(values, keep, mine.signal)));
  remember();
  await all;
  if (running === mine) stop();
}

function stop() {
  running?.abort();
  running = null;
  by("stop").disabled = true;
}

// ---- the address

const current = () => ({
  task: by("task").value,
  texts: inputs.textsOfTask,
  panels: shown(),
  compare: Boolean(root.dataset.compare),
  media: inputs.hasMedia,
});
const remember = () => history.replaceState(null, "", write({ ...current(), token: read().token }));

// Fill the page from the address. A run that took texts alone begins at once.
function restore() {
  const asked = read();
  compare(asked.compare);
  inputs.texts = asked.texts;
  choose(asked.task);
  panels.forEach((panel, i) => (panel.settings = asked.panels[i].settings));
  if (!asked.task) return;
  if (asked.media) return note("The run of this address also took a picture or a sound, which no address can hold. Give it again, then press Run.");
  start(inputs.textsOfTask, shown().map((panel, i) => [panel, asked.panels[i].keep]));
}

async function copy() {
  const address = new URL(location.href);
  address.hash = write(current()); // without the token, which is a secret
  await navigator.clipboard.writeText(address.href);
  const held = inputs.hasMedia ? " It holds settings, seed and text; the picture or sound must be given again." : "";
  note(`The address of this run is copied.${held}`);
}

// ---- the page

function compare(on) {
  if (on) root.dataset.compare = "1";
  else delete root.dataset.compare;
  panels[1].element.hidden = !on;
  by("panels").classList.toggle("two", on);
  by("compare").setAttribute("aria-pressed", on);
}

function tell(words) {
  by("message").hidden = !words;
  by("message").textContent = words ?? "";
}

function note(words) {
  by("note").hidden = !words;
  by("note").textContent = words ?? "";
}

function toggleTheme() {
  const dark = getComputedStyle(root).colorScheme === "dark";
  root.dataset.theme = localStorage.theme = dark ? "light" : "dark";
}

if (localStorage.theme) root.dataset.theme = localStorage.theme;
by("theme").onclick = toggleTheme;
by("task").onchange = ({ target }) => (stop(), tell(null), choose(target.value));
by("run").onclick = run;
by("stop").onclick = stop;
by("compare").onclick = () => compare(!root.dataset.compare);
by("link").onclick = () => copy().catch((error) => tell(`The address could not be copied (${error.message}); it is in the address bar after a run.`));
addEventListener("hashchange", restore);
addEventListener("dragover", (event) => event.preventDefault()); // a file that misses its field does not replace the page
addEventListener("drop", (event) => event.preventDefault());
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
open().catch((error) => tell(error.message));
