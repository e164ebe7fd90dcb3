// Tokens become text and words with places: the port of parts of unmask.speech.transcript, .captioner and .words.

const BYTE = /^<0x([0-9A-F]{2})>$/;
const SAID = 0.9;
const LONGEST_TOKEN_S = 0.4;

// Decodes ids of a tokenizer.json of BPE over characters with bytes for those that it lacks (sentencepiece's).
export class Tokenizer {
  constructor({ model, added_tokens: added }) {
    this.pieces = [];
    for (const [piece, id] of Object.entries(model.vocab)) this.pieces[id] = piece;
    for (const { id, content, special } of added) this.pieces[id] = special ? null : content;
  }

  startsWord(id) {
    return Boolean(this.pieces[id]?.startsWith("\u2581"));
  }

  decode(ids) {
    const parts = [];
    let bytes = [];
    const close = () => {
      if (bytes.length) parts.push(utf8(bytes));
      bytes = [];
    };
    for (const piece of ids.map((id) => this.pieces[id]).filter((piece) => piece != null)) {
      const byte = BYTE.exec(piece);
      if (byte) bytes.push(parseInt(byte[1], 16));
      else close(), parts.push(piece.replaceAll("\u2581", " "));
    }
    close();
    return parts.join("").replace(/^ /, "");
  }
}

// Bytes that are no UTF-8 as a whole are replaced one by one.
function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return "\ufffd".repeat(bytes.length);
  }
}

// The best id of each slot, with its probability -> a draft. Equal neighbors are one token; `none` is an empty slot.
export function readSlots(ids, sure, none, statesPerSlot) {
  const slots = [...ids.keys()].filter((i) => ids[i] !== none && ids[i] !== (i ? ids[i - 1] : none));
  return {
    ids: slots.map((i) => ids[i]), confidence: slots.map((i) => sure[i]),
    places: slots.map((i) => (i + 0.5) * statesPerSlot), final: 0,
  };
}

// Places as they were heard -> rising ones, nearest in squares; equal ones are spread between their neighbors.
export function rising(heard) {
  const pools = [];
  for (const place of heard) {
    pools.push([place, 1]);
    while (pools.length > 1 && pools.at(-2)[0] >= pools.at(-1)[0]) {
      const [[first, count], [second, more]] = pools.splice(-2);
      pools.push([(first * count + second * more) / (count + more), count + more]);
    }
  }
  const border = (i) => (i < 0 || i + 1 >= pools.length ? Infinity : (pools[i][0] + pools[i + 1][0]) / 2);
  return pools.flatMap(([mean, count], i) => {
    const reach = Math.min(mean, Math.abs(border(i - 1) - mean), Math.abs(border(i) - mean), count);
    return Array.from({ length: count }, (_, k) => mean + reach * ((2 * k + 1) / count - 1));
  });
}

// The draft's trusted and final tokens, followed by the heard text after them.
export function splice(draft, heard) {
  const old = [...draft.ids.keys()].filter((i) => draft.places[i] < draft.trustedUntil || i < draft.final);
  const last = old.reduce((most, i) => Math.max(most, draft.places[i]), -1);
  const fresh = [...heard.ids.keys()].filter((i) => heard.places[i] >= Math.max(draft.trustedUntil, last));
  const both = (name) => [...old.map((i) => draft[name][i]), ...fresh.map((i) => heard[name][i])];
  return { ids: both("ids"), places: both("places"), confidence: both("confidence"), final: draft.final };
}

// The words of a text {ids, places, confidence}: [{text, start_s, end_s, confidence}, number of tokens up to its end].
export function spelled(text, tokenizer, placeS, startS = 0, stopS = Infinity) {
  const { ids, places, confidence } = text;
  const starts = [...ids.keys()].filter((i) => i === 0 || tokenizer.startsWord(ids[i]));
  const end = (i) => Math.min(places[i] + SAID * ((places[i + 1] ?? Infinity) - places[i]), places[i] + LONGEST_TOKEN_S / placeS);
  const at = (place) => Math.round(1000 * Math.min(startS + place * placeS, stopS)) / 1000;
  return starts.flatMap((first, i) => {
    const stop = starts[i + 1] ?? ids.length;
    const written = tokenizer.decode(ids.slice(first, stop)).trim();
    const word = { text: written, start_s: at(places[first]), end_s: at(end(stop - 1)), confidence: Math.min(...confidence.slice(first, stop)) };
    return written ? [[word, stop]] : [];
  });
}
