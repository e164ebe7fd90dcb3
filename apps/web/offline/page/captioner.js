// Speech to text with a transcript bundle: the port of unmask.speech.transcript and .captioner. Knows a model that embeds ids and
// runs graphs (bundle.js). Knows no files, no microphone and no page.

import { draftedAfter, mostTokens, spoken, verify } from "./decoding.js";
import { heardTimes, peak, quietParts, RATE } from "./sound.js";
import { readSlots, rising, spelled, splice } from "./text.js";

export const SILENCE_PEAK = 1e-4;
const SEGMENT_S = 20;
const SPARE_TOKENS = 2;
const SHORTEST_SAMPLES = 2000;
const NEAR_S = 0.3;

// The window graph for one segment: a verifier, see decoding.js. `places` are where the token after each row that was read is heard.
class Decoder {
  constructor(model, heard) {
    this.model = model;
    this.cross = { cross_k: heard.cross_k, cross_v: heard.cross_v };
    const [layers, heads, , size] = heard.cross_k.dims;
    Object.assign(this, { layers, width: heads * size });
    this.reset();
  }

  reset() {
    this.kept = 0; // tokens whose keys and values are kept, of `layers` rows each
    this.k = this.v = new Float32Array(0);
    this.places = [];
  }

  async nextTokens(ids, known) {
    const read = [this.model.record.start_id, ...ids].slice(known);
    const past = { past_k: this.first(this.k, known), past_v: this.first(this.v, known) };
    const shape = [this.layers, known, this.width];
    const made = await this.model.run("window", {
      rows: this.model.floats(this.model.embed(read), [read.length, this.width]),
      positions: this.model.integers(read.map((_, i) => known + i)),
      listed: this.model.integers([]),
      ...this.cross,
      past_k: this.model.floats(past.past_k, shape),
      past_v: this.model.floats(past.past_v, shape),
    });
    this.k = this.joined(past.past_k, known, made.k.data, read.length);
    this.v = this.joined(past.past_v, known, made.v.data, read.length);
    this.kept = known + read.length;
    this.places = [...this.places.slice(0, known), ...made.place.data];
    const top = made.ids.dims[1];
    const rows = read.map((_, row) => [0, 1].map((rank) => row * top + rank));
    const sure = (row, at) => Math.fround(Math.exp(Math.fround(made.logits.data[at] - made.logsumexp.data[row])));
    return {
      ids: rows.map((row) => row.map((at) => Number(made.ids.data[at]))),
      probability: rows.map((row, i) => row.map((at) => sure(i, at))),
      places: this.places,
    };
  }

  // The first `count` of the kept tokens, and them with more after them: (layers, tokens, width), row-major.
  first(array, count) {
    return this.joined(array, this.kept, array, 0, count);
  }

  joined(array, tokens, more, fresh, taken = tokens) {
    const found = new Float32Array(this.layers * (taken + fresh) * this.width);
    for (let layer = 0; layer < this.layers; layer++) {
      const at = layer * (taken + fresh) * this.width;
      found.set(array.subarray(layer * tokens * this.width, (layer * tokens + taken) * this.width), at);
      if (fresh) found.set(more.subarray(layer * fresh * this.width, (layer + 1) * fresh * this.width), at + taken * this.width);
    }
    return found;
  }
}

export class Captioner {
  constructor(model) {
    this.model = model;
    this.placeS = model.record.samples_per_state / RATE;
  }

  // A segment: {audioS, samples, draft, decoder}.
  async encode(samples) {
    const { record, maskId } = this.model;
    const padded = new Float32Array(Math.max(samples.length, SHORTEST_SAMPLES));
    padded.set(samples);
    const heard = await this.model.run("context", { samples: this.model.floats(padded, [1, padded.length]) });
    const draft = readSlots(Array.from(heard.draft.data, Number), Array.from(heard.sure.data), maskId, record.states_per_slot);
    return { audioS: samples.length / RATE, samples, draft, decoder: new Decoder(this.model, heard) };
  }

  checks(segment, draft) {
    const { record, schedule } = this.model;
    const slot = record.states_per_slot;
    if (!schedule.verify) return [{ number: 1, agreed: draft.ids.length, ...draft, done: true, rows: 0 }];
    const drafted = draftedAfter(segment.draft, draft, slot, NEAR_S / this.placeS);
    let longest = Math.trunc(record.tokens_per_second * segment.audioS) + SPARE_TOKENS;
    if (slot && !drafted.length) return [{ number: 1, agreed: draft.final, ...draft, done: true, rows: 0 }];
    if (slot) longest = Math.min(longest, draft.final + mostTokens(drafted) + 1);
    const options = { accept: schedule.verify_accept_ratio, ahead: schedule.verify_lookahead ?? Infinity, longest };
    const passes = verify(draft, segment.decoder, record.end_id, schedule.verify, options);
    return slot ? spoken(passes, drafted, draft.final) : passes;
  }

  // {text: {ids, places, confidence}, passes, rows}. given: text that is known already, as a draft.
  async decode(segment, given = null) {
    const draft = given ? splice(given, segment.draft) : segment.draft;
    let [rows, agreed, check] = [0, 0, null];
    for await (check of this.checks(segment, draft)) {
      rows += check.rows;
      agreed = check.agreed;
    }
    const places = rising((rows ? segment.decoder.places : draft.places).slice(0, agreed));
    const text = { ids: check.ids.slice(0, agreed), places, confidence: check.confidence.slice(0, agreed) };
    return { text, passes: check.number, rows };
  }

  spelled(text, startS, stopS) {
    return spelled(text, this.model.tokenizer, this.placeS, startS, stopS);
  }

  // The caption of each segment of a whole recording, in order: {text, words, start_s, end_s, passes, rows}.
  async *parts(samples) {
    for (const [start, part] of quietParts(samples, Math.min(SEGMENT_S, this.model.record.longest_s))) {
      if (peak(part) < SILENCE_PEAK) continue;
      const [startS, stopS] = [start / RATE, (start + part.length) / RATE];
      const { text, passes, rows } = await this.decode(await this.encode(part));
      const words = heardTimes(this.spelled(text, startS, stopS).map(([word]) => word), part, startS);
      yield { text: words.map((word) => word.text).join(" "), words, start_s: startS, end_s: stopS, passes, rows };
    }
  }
}
