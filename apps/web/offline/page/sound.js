// Where a recording is silent: where to cut it, and when its words were said. The port of unmask.speech.split_audio and
// .heard_times, which have the reasons. Knows samples at 16 kHz (Float32Array) and words. Knows no model.

export const RATE = 16000;
const LOUDNESS_S = 0.2;
const FRAME_S = 0.02;
const SILENCE_S = 0.26;
const CLICK_S = 0.06;
const ABOVE_FLOOR_DB = 6;
const BELOW_SPEECH_DB = 35;
const CLEAR_DB = 12;
const FAINTEST_DB = -90;
const NEAR_S = 0.5;
const LETTERS_A_SECOND = 15;
const MOVED_COST = 0.2;

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
export const round3 = (number) => Math.round(1000 * number) / 1000;
export const peak = (samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

// Index of the middle of the quietest 0.2 s.
export function quietest(samples) {
  const width = LOUDNESS_S * RATE;
  const power = new Float64Array(samples.length + 1);
  samples.forEach((sample, i) => (power[i + 1] = power[i] + sample * sample));
  let best = 0;
  for (let i = 1; i + width < power.length; i++) if (power[i + width] - power[i] < power[best + width] - power[best]) best = i;
  return best + width / 2;
}

// Parts of at most `longestS` seconds: [first sample, samples].
export function* quietParts(samples, longestS) {
  const longest = Math.trunc(longestS * RATE);
  const half = Math.floor(longest / 2);
  let start = 0;
  while (samples.length - start > longest) {
    const cut = start + half + quietest(samples.subarray(start + half, start + longest));
    yield [start, samples.subarray(start, cut)];
    start = cut;
  }
  yield [start, samples.subarray(start)];
}

// The same words, {text, start_s, end_s, ...}, with times inside sound.
export function heardTimes(words, samples, startS = 0) {
  if (!words.length) return [];
  const stopS = startS + samples.length / RATE;
  const quiet = silences(words, samples, startS);
  const starts = words.map((word) => word.start_s);
  const letters = words.map((word) => [...word.text].length);
  const edges = [[startS, startS], ...quiet, [stopS, stopS]];
  quiet.forEach((silence, i) => leave(silence, edges[i][1], edges[i + 2][0], starts, letters));
  return words.map((word, i) => {
    const begin = starts[i];
    const following = starts[i + 1] ?? stopS;
    const silent = quiet.find(([first]) => first > begin)?.[0] ?? stopS;
    const said = begin === word.start_s ? word.end_s : Math.max(word.end_s, following);
    const end = Math.max(begin, Math.min(said, silent, Math.max(following, begin + FRAME_S)));
    return { ...word, start_s: round3(begin), end_s: round3(end) };
  });
}

function leave([quietS, loudS], firstS, lastS, starts, letters) {
  const inside = [...starts.keys()].filter((i) => quietS <= starts[i] && starts[i] < loudS);
  if (!inside.length || (firstS >= quietS && loudS >= lastS)) return;
  const first = inside[0];
  let stop = inside.at(-1) + 1;
  const spoken = first && starts[first - 1] >= firstS ? first - 1 : first;
  const begin = spoken < first ? starts[spoken] : firstS;
  const until = () => (stop < starts.length ? Math.min(starts[stop], lastS) : lastS);
  const reading = (from, to) => sum(letters.slice(from, to)) / LETTERS_A_SECOND;
  const misfit = (cut) => {
    const moved = sum(inside.map((i) => Math.min(i < cut ? starts[i] - quietS : loudS - starts[i], 1)));
    return Math.abs(quietS - begin - reading(spoken, cut)) + Math.max(0, reading(cut, stop) - (until() - loudS)) + MOVED_COST * moved;
  };
  const near = inside.find((i) => loudS - starts[i] <= NEAR_S) ?? stop;
  let cut = first;
  if (loudS >= lastS) cut = stop;
  else if (firstS < quietS) for (let i = first + 1; i <= near; i++) if (misfit(i) < misfit(cut)) cut = i;
  shared(starts, spoken, cut, begin, quietS, letters);
  while (stop < starts.length && starts[stop] < lastS && starts[stop] - loudS < reading(cut, stop) / 2) stop++;
  shared(starts, cut, stop, loudS, Math.max(until(), loudS), letters);
}

// Starts of words that share a stretch of time in proportion to their letters.
function shared(starts, from, to, firstS, lastS, letters) {
  const all = Math.max(sum(letters.slice(from, to)), 1);
  for (let i = from, before = 0; i < to; before += letters[i++]) starts[i] = firstS + ((lastS - firstS) * before) / all;
}

export function silences(words, samples, startS) {
  const levels = frameLevels(samples);
  if (!levels.length) return [];
  const frame = (seconds) => Math.trunc(Math.min(Math.max((seconds - startS) / FRAME_S, 0), levels.length - 1));
  const loud = words.map((word) => Math.max(...levels.slice(frame(word.start_s), frame(word.end_s) + 1)));
  const [speech, floor] = [percentile(loud, 75), percentile(levels, 10)];
  if (speech - floor < CLEAR_DB) return [];
  const sound = levels.map((level) => level > Math.max(floor + ABOVE_FLOOR_DB, speech - BELOW_SPEECH_DB));
  for (const [value, least] of [[true, CLICK_S], [false, SILENCE_S]]) {
    for (const [first, stop] of runs(sound, value)) if ((stop - first) * FRAME_S < least) sound.fill(!value, first, stop);
  }
  return runs(sound, false).map(([first, stop]) => [startS + first * FRAME_S, startS + stop * FRAME_S]);
}

export function frameLevels(samples) {
  const size = FRAME_S * RATE;
  return Array.from({ length: Math.floor(samples.length / size) }, (_, i) => {
    const power = samples.subarray(i * size, (i + 1) * size).reduce((total, sample) => total + sample * sample, 0) / size;
    return Math.max(10 * Math.log10(power + 1e-12), FAINTEST_DB);
  });
}

function percentile(numbers, percent) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

function runs(sound, value) {
  const found = [];
  for (let i = 0; i < sound.length; i++) {
    if (sound[i] !== value) continue;
    if (i === 0 || sound[i - 1] !== value) found.push([i, i]);
    found.at(-1)[1] = i + 1;
  }
  return found;
}
