// Live captions: the port of unmask.speech.live, .endpointing and .stability, with their default settings. Takes samples at 16 kHz
// as they arrive and gives events. Knows a captioner and a voice activity detector; knows no microphone and no page.

import { SILENCE_PEAK } from "./captioner.js";
import { heardTimes, peak, quietest, RATE } from "./sound.js";

const REREAD_S = 0.8;
const SOON_S = 0.06;
const REST = 1.5;
const UPDATE_S = 0.35;
const SPEECH = { threshold: 0.5, onset_s: 0.09, preroll_s: 0.4, pause_s: 0.19, end_s: 0.7, long_s: 12, longest_s: 18 };
const STABLE = { agreements: 2, edge_s: 0.35, confidence: 0.45 };
const NOTHING = { ids: [], places: [], confidence: [] };

const count = (seconds) => Math.round(seconds * RATE);
const first = (text, tokens) => Object.fromEntries(Object.keys(NOTHING).map((name) => [name, text[name].slice(0, tokens)]));

// Where speech begins, pauses and ends, from the speech probabilities of frames.
export class Endpointer {
  constructor(frameS, options = SPEECH) {
    Object.assign(this, { frameS, options });
    this.reset();
  }

  reset() {
    Object.assign(this, { speaking: false, silentS: 0, heardS: 0 });
  }

  push(probability) {
    const { threshold, onset_s, end_s, pause_s } = this.options;
    if (!this.speaking) {
      this.heardS = probability >= threshold ? this.heardS + this.frameS : 0;
      if (this.heardS < Math.max(onset_s, this.frameS)) return "none";
      Object.assign(this, { speaking: true, silentS: 0 });
      return "started";
    }
    if (probability >= threshold - 0.15) {
      this.silentS = 0;
      return "none";
    }
    const before = this.silentS;
    this.silentS += this.frameS;
    if (this.silentS >= end_s) {
      this.reset();
      return "ended";
    }
    return before < pause_s && pause_s <= this.silentS ? "paused" : "none";
  }
}

// For each word of `now`, how many successive hypotheses agree on it and on all words before it.
export function agreements(before, counts, now) {
  let same = true;
  return now.map((word, i) => ((same &&= before[i] === word) ? counts[i] + 1 : 1));
}

// Number of words from the start that are stable, at least `settled`.
export function stableWords(words, counts, settled, edgeS, policy = STABLE) {
  let stable = settled;
  for (let i = settled; i < words.length - 1; i++) {
    const sure = counts[i] >= policy.agreements && words[i].confidence >= policy.confidence;
    if (!sure || words[i].end_s > edgeS - policy.edge_s) break;
    stable = i + 1;
  }
  return stable;
}

// What two hypotheses agree on: letters and digits alone.
export const bare = (word) => word.text.replace(/[^\p{L}\p{N}]/gu, "").toLowerCase() || word.text;

export class Live {
  // vad: {frameSamples, reset(), probability(Float32Array) -> Promise}. clock: gives seconds.
  constructor(captioner, vad, clock = () => performance.now() / 1000) {
    Object.assign(this, { captioner, vad, clock, gate: new Endpointer(vad.frameSamples / RATE), segment: null });
    vad.reset();
    this.audio = new Float32Array(0); // the stream from sample `kept` on; the detector has processed `heard` samples
    this.kept = this.heard = this.ended = this.number = this.costS = 0;
  }

  get timeS() {
    return (this.kept + this.audio.length) / RATE;
  }

  async feed(samples) {
    const joined = new Float32Array(this.audio.length + samples.length);
    joined.set(this.audio);
    joined.set(samples, this.audio.length);
    this.audio = joined;
    const [events, size] = [[], this.vad.frameSamples];
    while (this.kept + this.audio.length - this.heard >= size) {
      events.push(...(await this.hear(await this.vad.probability(this.between(this.heard, this.heard + size)))));
    }
    if (this.segment && !this.segment.quiet && this.due(this.segment)) events.push(await this.update(this.segment));
    return events;
  }

  due(segment) {
    const [since, rest, silent] = [this.heard - segment.heard, count(REST * this.costS), count(this.gate.silentS)];
    if (silent) return silent >= count(SOON_S) && since > silent && since >= rest;
    const size = this.vad.frameSamples;
    return since >= Math.floor(Math.max(count(UPDATE_S), rest) / size) * size;
  }

  async flush() {
    this.heard = this.kept + this.audio.length;
    const events = this.segment ? await this.end(this.segment, this.heard) : [];
    this.gate.reset();
    this.vad.reset();
    return events;
  }

  // Audio was lost after the samples so far: an open segment ends.
  async drop(seconds) {
    const events = await this.flush();
    this.kept += this.audio.length + count(seconds);
    this.heard = this.ended = this.kept;
    this.audio = new Float32Array(0);
    const { number: segment, timeS } = this;
    return [...events, { event: "dropped", segment, time_s: timeS, start_s: timeS - seconds, end_s: timeS, dropped_s: seconds }];
  }

  async hear(probability) {
    const change = this.gate.push(probability);
    this.heard += this.vad.frameSamples;
    const { segment } = this;
    const earliest = this.heard - count(SPEECH.preroll_s + SPEECH.onset_s);
    if (!segment) {
      if (change === "started") return [this.start(Math.max(this.ended, earliest))];
      this.forget(earliest);
      return [];
    }
    if (this.gate.silentS === 0 && change !== "ended") segment.quiet = false;
    if (change === "paused") {
      await this.settle(segment);
      if (this.heard - segment.start < count(SPEECH.long_s)) return [this.event("updated", segment, this.heard)];
      this.gate.reset();
      return this.end(segment, this.heard);
    }
    if (change === "ended") return this.end(segment, this.heard);
    return this.heard - segment.start >= count(SPEECH.longest_s) ? this.cut(segment) : [];
  }

  start(start) {
    this.forget(start);
    this.number++;
    this.segment = { start, heard: start, text: NOTHING, settled: 0, silent: 0, words: [], stable: 0, counts: [], quiet: false };
    return this.event("segment_started", this.segment);
  }

  async end(segment, stop) {
    if (!segment.quiet) await this.read(segment, stop, true);
    this.segment = null;
    this.ended = stop;
    this.forget(stop);
    return [this.event("segment_ended", segment, stop)];
  }

  async cut(segment) {
    let from = segment.start + Math.floor((this.heard - segment.start) / 2);
    if (segment.stable) from = Math.max(from, Math.min(this.heard, count(segment.words[segment.stable - 1].end_s)));
    const stop = this.heard - from > count(0.4) ? from + quietest(this.between(from, this.heard)) : this.heard;
    return [...(await this.end(segment, stop)), this.start(stop)];
  }

  forget(until) {
    const gone = Math.max(0, until - this.kept);
    this.audio = this.audio.subarray(gone);
    this.kept += gone;
  }

  between(from, stop) {
    return this.audio.subarray(from - this.kept, stop - this.kept);
  }

  async update(segment) {
    await this.read(segment, this.heard, false);
    return this.event("updated", segment, this.heard);
  }

  async settle(segment) {
    const silent = count(this.gate.silentS);
    if (segment.heard < this.heard - silent + count(SOON_S)) return this.read(segment, this.heard, true);
    Object.assign(segment, { stable: segment.words.length, settled: segment.text.ids.length, quiet: true });
    Object.assign(segment, { heard: this.heard, silent: this.heard - count(SPEECH.pause_s) });
  }

  async read(segment, stop, settle) {
    const began = this.clock();
    const text = await this.decode(segment, stop);
    const [startS, stopS] = [segment.start / RATE, stop / RATE];
    const written = this.captioner.spelled(text, startS, stopS);
    const words = heardTimes(written.map(([word]) => word), this.between(segment.start, stop), startS);
    const counts = agreements(segment.words.map(bare), segment.counts, words.map(bare));
    const stable = settle ? words.length : stableWords(words, counts, segment.stable, stopS);
    const settled = stable ? written[stable - 1][1] : 0;
    Object.assign(segment, { counts, stable, settled, text, words, heard: stop, quiet: settle });
    if (settle) segment.silent = stop - count(SPEECH.pause_s);
    this.costS = this.clock() - began;
  }

  async decode(segment, stop) {
    const samples = this.between(segment.start, stop);
    if (peak(samples) < SILENCE_PEAK) return first(segment.text, segment.settled);
    const state = this.captioner.placeS * RATE;
    const reread = Math.min(segment.heard, stop) - count(REREAD_S);
    const [trustedUntil, earliest] = [reread, segment.silent].map((at) => (Math.max(at, segment.start) - segment.start) / state);
    const draft = { ...this.unended(segment), final: segment.settled, trustedUntil, earliest };
    return (await this.captioner.decode(await this.captioner.encode(samples), draft)).text;
  }

  // The text so far without the period that it may end in.
  unended({ text, settled }) {
    let { length } = text.ids;
    while (length > settled && !/[\p{L}\p{N}]/u.test(this.captioner.model.tokenizer.decode([text.ids[length - 1]]))) length--;
    return first(text, length);
  }

  event(event, segment, stop = segment.heard) {
    const text = this.captioner.model.tokenizer.decode(segment.text.ids).trim();
    let stable = this.captioner.model.tokenizer.decode(segment.text.ids.slice(0, segment.settled)).trim();
    if (event !== "segment_ended") stable = stable.replace(/\ufffd+$/, ""); // the next token may complete a letter
    const { words, stable: stable_words } = segment;
    const times = { time_s: this.timeS, start_s: segment.start / RATE, end_s: stop / RATE };
    return { event, segment: this.number, ...times, stable, tentative: text.slice(stable.length), words, stable_words };
  }
}
