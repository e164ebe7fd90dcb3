// Words with times become cues of subtitles: of at most two lines, parted at the ends of sentences and at pauses. Simpler than
// unmask.apps.captions.cues, which weighs all ways to part them.

const LINE = 42; // characters
const LONGEST_S = 7;
const PAUSE_S = 0.8;
const LINGER_S = 1;

export function cues(words) {
  const groups = [];
  for (const word of words) {
    const last = groups.at(-1);
    if (last && fits([...last, word])) last.push(word);
    else groups.push([word]);
  }
  return groups.map((group, i) => {
    const end = group.at(-1).end_s + LINGER_S;
    return { start_s: group[0].start_s, end_s: Math.min(end, groups[i + 1]?.[0].start_s ?? end), lines: lines(group) };
  });
}

function fits(group) {
  const [before, word] = group.slice(-2);
  const ended = /[.!?]["')]*$/.test(before.text) || word.start_s - before.end_s > PAUSE_S;
  return !ended && word.end_s - group[0].start_s <= LONGEST_S && lines(group).every((line) => line.length <= LINE);
}

// One line, or two of nearly equal length.
function lines(group) {
  const words = group.map((word) => word.text);
  if (words.join(" ").length <= LINE) return [words.join(" ")];
  const parted = words.map((_, i) => [words.slice(0, i).join(" "), words.slice(i).join(" ")]).slice(1);
  const widest = (pair) => Math.max(...pair.map((line) => line.length));
  return parted.length ? parted.reduce((best, pair) => (widest(pair) < widest(best) ? pair : best)) : words;
}
