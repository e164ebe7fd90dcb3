// Words with times to subtitles, as unmask.apps.captions.subtitles makes them (a test holds both together). Knows no page.

const LINE_CHARACTERS = 42;
const LINES = 2;
const LONGEST_S = 7;
const SHORTEST_S = 1;
const PAUSE_S = 0.8;

// words: [{text, start_s, end_s}], times not falling; gives [{start_s, end_s, lines}]
export function cues(words) {
  const groups = grouped(words);
  return groups.map((group, i) => {
    const start_s = group[0].start_s;
    let end_s = Math.max(group.at(-1).end_s, start_s + SHORTEST_S);
    if (i + 1 < groups.length) end_s = Math.min(end_s, groups[i + 1][0].start_s);
    return { start_s, end_s: Math.max(end_s, start_s + 0.001), lines: folded(group.map((word) => word.text)) };
  });
}

function grouped(words) {
  const groups = [];
  for (const word of words) {
    const group = groups.at(-1);
    if (!group || (ends(group, word) && word.start_s > group[0].start_s)) groups.push([word]);
    else group.push(word);
  }
  return groups;
}

function ends(group, following) {
  const last = group.at(-1);
  return (
    /[.?!]$/.test(last.text) ||
    following.start_s - last.end_s > PAUSE_S ||
    following.end_s - group[0].start_s > LONGEST_S ||
    folded([...group.map((word) => word.text), following.text]).length > LINES
  );
}

function folded(words) {
  const lines = [""];
  for (const word of words) {
    const last = lines.at(-1);
    if (last && last.length + 1 + word.length > LINE_CHARACTERS) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`.trim();
  }
  return lines;
}

export function srt(cues) {
  return cues.map((cue, i) => `${i + 1}\n${span(cue, ",")}\n${cue.lines.join("\n")}\n\n`).join("");
}

export function vtt(cues) {
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return "WEBVTT\n\n" + cues.map((cue) => `${span(cue, ".")}\n${escaped(cue.lines.join("\n"))}\n\n`).join("");
}

const span = (cue, point) => `${clock(cue.start_s, point)} --> ${clock(cue.end_s, point)}`;

function clock(seconds, point) {
  const ms = Math.round(1000 * seconds);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}${point}${String(ms % 1000).padStart(3, "0")}`;
}
