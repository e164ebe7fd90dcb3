// A draft is checked by a causal model: the port of unmask.decoding.speculative and .alignment and of unmask.speech.spoken, which
// have the reasons and the sources. Knows ids and places. Knows no engine, no sound and no text.
//
// A draft is {ids, confidence, places, final, trustedUntil, earliest}; all arrays are plain and of one length. A verifier is
// {reset(), nextTokens(ids, known) -> Promise<{ids, probability, places}>}: for each row its best and second id, both probabilities.

const EDIT = 2 ** 20;
const APART = 3;
const SURE = 0.5;
const ROOM = 16;
const SUPPORT = 0.8;
const COMMON = 4;
const CERTAIN = 8;

export const costsOfNothing = (tokens) => Array.from({ length: tokens + 1 }, (_, i) => EDIT * i);

export function withToken(costs, token, draft) {
  const found = costs.map((cost, i) => Math.min(cost + EDIT, i ? costs[i - 1] + (draft[i - 1] === token ? -1 : EDIT) : Infinity));
  for (let i = 1; i < found.length; i++) found[i] = Math.min(found[i], found[i - 1] + EDIT);
  return found;
}

export function anchor(costs, expected, places = null, place = null) {
  const least = Math.min(...costs);
  const columns = [...costs.keys()].filter((i) => costs[i] === least);
  if (places === null || place === null) {
    return columns.reduce((best, column) => (Math.abs(column - expected) < Math.abs(best - expected) ? column : best));
  }
  return columns.find((column) => (places[column] ?? Infinity) >= place + APART) ?? columns.at(-1);
}

// Yields {number, agreed, ids, confidence, done, rows} after each pass until the text is settled. `ids` are the settled tokens and
// what is left of the draft. Options are those of Python's `verify`.
export async function* verify(draft, verifier, endId, passes, { accept = 1, ahead = Infinity, longest = null } = {}) {
  verifier.reset();
  const text = new Text(draft, endId, longest);
  for (let number = 1; number <= passes; number++) {
    const settled = text.ids.length;
    const rows = 1 + Math.min(text.draft.length - text.at, text.room, ahead);
    const wanted = text.draft.slice(text.at, text.at + rows);
    const known = number > 1 ? settled : 0; // the first pass reads the prompt and the final tokens too
    const scores = await verifier.nextTokens([...text.ids, ...wanted.slice(0, rows - 1)], known);
    const done = text.settle(chosen(scores, wanted, rows, accept), scores.places);
    yield { number, agreed: text.ids.length, ...text.whole(), done, rows: scores.ids.length };
    if (done) return;
  }
}

function chosen(scores, wanted, rows, accept) {
  const ids = scores.ids.slice(-rows);
  const probability = scores.probability.slice(-rows);
  const second = (i) => i < wanted.length && ids[i][1] === wanted[i] && probability[i][1] >= accept * probability[i][0];
  const rank = ids.map((_, i) => (second(i) ? 1 : 0));
  return { ids: ids.map((row, i) => row[rank[i]]), confidence: probability.map((row, i) => row[rank[i]]) };
}

class Text {
  constructor({ ids, confidence, places = null, final = 0 }, endId, longest) {
    Object.assign(this, { draft: [...ids], sure: [...confidence], places, endId, at: 0 });
    this.ids = ids.slice(0, final);
    this.confidence = confidence.slice(0, final);
    this.longest = longest ?? 2 * ids.length + ROOM;
    this.costs = costsOfNothing(ids.length);
    this.move(this.ids, final, null);
  }

  get room() {
    return Math.max(0, this.longest - this.ids.length);
  }

  whole() {
    const rest = (array) => array.slice(this.at, this.at + this.room);
    return { ids: [...this.ids, ...rest(this.draft)], confidence: [...this.confidence, ...rest(this.sure)] };
  }

  settle(choice, places) {
    const proposed = this.draft.slice(this.at, this.at + choice.ids.length - 1);
    const wrong = proposed.findIndex((id, i) => choice.ids[i] !== id || id === this.endId);
    const agreed = wrong < 0 ? proposed.length : wrong;
    const ended = choice.ids[agreed] === this.endId;
    const count = Math.min(agreed + (ended ? 0 : 1), this.room);
    const more = choice.ids.slice(0, count);
    this.ids.push(...more);
    this.confidence.push(...choice.confidence.slice(0, count));
    if (ended || !this.room) {
      this.at = this.draft.length;
      return true;
    }
    this.mend(choice, agreed);
    const missing = choice.ids[agreed + 1] === choice.ids[agreed]; // the draft's token is not wrong, another comes before it
    this.move(more, count - (missing ? 1 : 0), places === null ? null : places[this.ids.length - 1]);
    return false;
  }

  mend(choice, agreed) {
    const same = choice.ids.slice(0, -1).map((id, i) => id === this.draft[this.at + i]);
    const corrected = same.map((equal, i) => {
      const id = choice.ids[i];
      const follows = i > agreed && same[i - 1] && id !== this.endId && id !== (this.draft[this.at + i + 1] ?? -1);
      return !equal && follows && choice.confidence[i] >= SURE;
    });
    same.forEach((equal, i) => {
      if (corrected[i]) this.draft[this.at + i] = choice.ids[i];
      if (corrected[i] || equal) this.sure[this.at + i] = choice.confidence[i];
    });
  }

  move(more, covered, place) {
    for (const token of more) this.costs = withToken(this.costs, token, this.draft);
    this.at = anchor(this.costs, this.at + covered, this.places, place);
  }
}

// ---- whether it was spoken

export function draftedAfter(heard, given, slot, near) {
  const after = given.final ? Math.max(slot, given.places[given.final - 1] - near) : slot;
  return heard.ids.filter((_, i) => heard.places[i] >= after);
}

export const mostTokens = (drafted) => Math.trunc((COMMON * drafted.length) / SUPPORT);

// The same passes, with text settled only once it is known to be spoken.
export async function* spoken(passes, drafted, final) {
  const common = new Common(drafted);
  let [read, known, waiting] = [final, false, null];
  for await (const check of passes) {
    if (waiting) yield { ...waiting, agreed: final };
    common.add(check.ids.slice(read, check.agreed));
    read = check.agreed;
    known ||= common.count >= Math.max(CERTAIN, (read - final) / 2);
    waiting = known ? null : check;
    if (known) yield check;
  }
  if (!waiting) return;
  const cut = { ...waiting, agreed: final, ids: waiting.ids.slice(0, final), confidence: waiting.confidence.slice(0, final) };
  yield drafted.length + (COMMON - 1) * common.count >= SUPPORT * (read - final) ? waiting : cut;
}

// The longest common subsequence of some ids and of others that come one after the other.
export class Common {
  constructor(ids) {
    this.ids = ids;
    this.row = new Array(ids.length + 1).fill(0);
  }

  add(more) {
    for (const token of more) {
      const before = this.row;
      this.row = [...before];
      for (let i = 1; i < before.length; i++) {
        this.row[i] = Math.max(before[i], this.row[i - 1], before[i - 1] + (this.ids[i - 1] === token ? 1 : 0));
      }
    }
  }

  get count() {
    return this.row.at(-1);
  }
}
