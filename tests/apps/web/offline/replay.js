// Gives the table of vectors to the modules of the page. Returns what differs, as texts.

import { Captioner } from "./captioner.js";
import { draftedAfter, mostTokens, spoken, verify } from "./decoding.js";
import { agreements, Endpointer, Live, stableWords } from "./live.js";
import { heardTimes, quietParts } from "./sound.js";
import { readSlots, rising, spelled, splice, Tokenizer } from "./text.js";

const PLACE_S = 0.024;
const END = 0;
const CLOSE = 2e-3; // times are rounded to thousandths

export async function replay(table, tokenizerJson) {
  const tokenizer = new Tokenizer(tokenizerJson);
  const wrong = [];
  for (const [part, cases] of Object.entries(table)) {
    for (const [i, one] of cases.entries()) {
      for (const [name, [found, wanted]] of Object.entries(await PARTS[part](one, tokenizer))) {
        if (!same(found, wanted)) wrong.push(`${part} ${i} ${name}: ${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
      }
    }
  }
  return wrong;
}

function same(found, wanted) {
  if (typeof wanted === "number") return Math.abs(found - wanted) <= CLOSE;
  if (wanted === null || typeof wanted !== "object") return found === wanted;
  const names = Object.keys(wanted);
  return names.length === Object.keys(found ?? {}).length && names.every((name) => same(found[name], wanted[name]));
}

const all = async (steps) => {
  const found = [];
  for await (const step of steps) found.push(step);
  return found;
};
const words = (written) => written.map(([word]) => word);

function sound(stretches) {
  const loud = stretches.flatMap(([seconds, amplitude]) => new Array(Math.round(seconds * 16000)).fill(amplitude));
  return Float32Array.from(loud, (amplitude, i) => (i % 2 ? -amplitude : amplitude));
}

const PARTS = {
  async checks({ draft, passes, options, calls, steps, heard, drafted, most, spoken: said }) {
    const asked = [];
    const verifier = {
      reset() {},
      async nextTokens(ids, known) {
        const { rows, probability, places } = calls[asked.length] ?? calls.at(-1);
        asked.push({ ids, known });
        return { ids: rows, probability, places };
      },
    };
    const given = { ...options, ahead: options.ahead ?? Infinity };
    const found = await all(verify(draft, verifier, END, passes, given));
    const after = draftedAfter(heard, draft, 3, 12);
    return {
      asked: [asked, calls.map(({ ids, known }) => ({ ids, known }))], steps: [found, steps], drafted: [after, drafted],
      most: [mostTokens(after), most], spoken: [await all(spoken(found, after, draft.final)), said],
    };
  },
  slots: ({ ids, sure, draft: { trustedUntil: _, ...draft } }) => ({ draft: [readSlots(ids, sure, 9, 3), draft] }),
  places: ({ heard, rising: wanted }) => ({ rising: [rising(heard), wanted] }),
  spliced({ draft, heard, text }) {
    const { final, ...found } = splice(draft, heard);
    return { text: [found, text], final: [final, draft.final] };
  },
  written: ({ text, decoded, start_s, stop_s, words: wanted }, tokenizer) => ({
    decoded: [tokenizer.decode(text.ids), decoded], words: [spelled(text, tokenizer, PLACE_S, start_s, stop_s), wanted],
  }),
  times: ({ words: given, sound: heard, start_s, heard: wanted }) => ({ heard: [heardTimes(given, sound(heard), start_s), wanted] }),
  cuts: ({ sound: heard, longest_s, parts }) => ({
    parts: [[...quietParts(sound(heard), longest_s)].map(([start, part]) => [start, part.length]), parts],
  }),
  speech({ probabilities, frame_s, changes }) {
    const gate = new Endpointer(frame_s);
    return { changes: [probabilities.map((sure) => gate.push(sure)), changes] };
  },
  stable: ({ before, counts, now, agreed, settled, edge_s, words: given, stable }) => ({
    agreed: [agreements(before, counts, now), agreed], stable: [stableWords(given, agreed, settled, edge_s), stable],
  }),
  async lives({ sound: heard, sizes, dropped_s, after, calls, events }, tokenizer) {
    const asked = [];
    const captioner = {
      placeS: PLACE_S, model: { tokenizer }, spelled: Captioner.prototype.spelled,
      encode: async (samples) => samples.length,
      async decode(samples, { ids, places, confidence, final, trustedUntil }) {
        const { text } = calls[asked.length] ?? calls.at(-1);
        asked.push({ samples, draft: { ids, confidence, places, final, trustedUntil } });
        return { text };
      },
    };
    const vad = { frameSamples: 512, reset() {}, probability: async (frame) => Number(frame.some((sample) => Math.abs(sample) > 0.05)) };
    const [live, samples, found] = [new Live(captioner, vad, () => 0), sound(heard), []];
    let at = 0;
    for (const size of sizes) found.push(...(await live.feed(samples.subarray(at, (at += size)))));
    found.push(...(await live.drop(dropped_s)), ...(await live.feed(samples.subarray(0, after))), ...(await live.flush()));
    const told = found.map(({ words: list = [], dropped_s: _, ...event }) => ({
      ...event, stable: event.stable ?? "", tentative: event.tentative ?? "", stable_words: event.stable_words ?? 0,
      ends_s: list.map((word) => word.end_s),
    }));
    return { asked: [asked, calls.map(({ samples: count, draft }) => ({ samples: count, draft }))], events: [told, events] };
  },
};
