// The fragment of the address, which holds what repeats a run: task, texts, settings, seed, and what is kept. Knows no page.

const SETTINGS = ["rule", "passes", "order", "guidance", "temperature", "seed"];
const NUMBERS = new Set(["passes", "guidance", "temperature", "seed"]);
const GAP = "_";

// {token, task, texts: {name: text}, panels: [{settings, keep}], compare, media}. media: the run took pictures or sound too.
export function read(fragment = location.hash.slice(1)) {
  const query = new URLSearchParams(fragment);
  const panels = ["a.", "b."].map((side) => ({ settings: settingsOf(query, side), keep: kept(query.get(`${side}keep`)) }));
  const texts = Object.fromEntries([...query].filter(([name]) => name.startsWith("in.")).map(([name, text]) => [name.slice(3), text]));
  return { token: query.get("token"), task: query.get("task"), texts, panels, compare: query.has("compare"), media: query.has("media") };
}

export function write({ token, task, texts, panels, compare, media }) {
  const query = new URLSearchParams();
  if (token) query.set("token", token);
  query.set("task", task);
  for (const [name, text] of Object.entries(texts)) query.set(`in.${name}`, text);
  panels.forEach(({ settings, keep }, i) => {
    const side = "ab"[i] + ".";
    for (const name of SETTINGS) if (settings[name] !== undefined) query.set(side + name, settings[name]);
    if (keep) query.set(`${side}keep`, keep.map((code) => (code === null ? GAP : code.toString(36))).join("."));
  });
  if (compare) query.set("compare", "1");
  if (media) query.set("media", "1");
  return `#${query}`;
}

function settingsOf(query, side) {
  const given = SETTINGS.filter((name) => query.has(side + name)).map((name) => [name, query.get(side + name)]);
  return Object.fromEntries(given.map(([name, text]) => [name, NUMBERS.has(name) ? Number(text) : text]));
}

function kept(text) {
  const codes = text?.split(".").map((word) => (word === GAP ? null : parseInt(word, 36)));
  return codes?.every((code) => code === null || Number.isInteger(code)) ? codes : null;
}
