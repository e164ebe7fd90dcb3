// A bundle and the voice activity detector, opened with onnxruntime-web on one thread of WebAssembly. Knows graphs and tensors;
// knows no captions.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";
import { Tokenizer } from "./text.js";

const STATE = 128;
const FRAME_SAMPLES = 512; // of the detector

const text = (bytes) => new TextDecoder().decode(bytes);
const floats = (data, dims) => new ort.Tensor("float32", data, dims);

// load(path) -> Promise of a Uint8Array. Gives {model, vad} for captioner.js and live.js.
export async function open(load) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await load("ort/ort-wasm-simd-threaded.wasm")).buffer;
  const manifest = JSON.parse(text(await load("bundle/bundle.json")));
  const tokenizer = new Tokenizer(JSON.parse(text(await load(`bundle/${manifest.tokenizer}`))));
  const weights = await load("bundle/weights.bin");
  const sessions = {};
  for (const role of ["context", "window"]) {
    sessions[role] = await session(await load(`bundle/${manifest.graphs[role]}`), [{ path: "weights.bin", data: weights }]);
  }
  const vad = new Vad(await session(await load("vad.onnx")));
  return { model: new Model(manifest, tokenizer, sessions, weights), vad };
}

const session = (graph, externalData = []) => ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData });

class Model {
  constructor(manifest, tokenizer, sessions, weights) {
    Object.assign(this, { tokenizer, sessions, floats, record: manifest.transcript, schedule: manifest.tasks.caption });
    this.maskId = manifest.vocabulary.mask_id;
    const { offset, rows, width, dtype, scales } = manifest.embedding; // the table alone stays, the graphs have copies of the rest
    const bytes = rows * width * (dtype === "int8" ? 1 : 4);
    const stored = weights.slice(offset, offset + bytes).buffer;
    const table = dtype === "int8" ? new Int8Array(stored) : new Float32Array(stored);
    const scale = dtype === "int8" ? new Float32Array(weights.slice(scales, scales + 4 * rows).buffer) : null;
    Object.assign(this, { table, scale, rows, width });
  }

  // (N,) ids -> (N, width) rows; int8 is stored as (width, rows), with a scale for each row.
  embed(ids) {
    const { table, scale, rows, width } = this;
    const found = new Float32Array(ids.length * width);
    ids.forEach((id, row) => {
      for (let i = 0; i < width; i++) found[row * width + i] = scale ? table[i * rows + id] * scale[id] : table[id * width + i];
    });
    return found;
  }

  integers(numbers) {
    return new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), [numbers.length]);
  }

  run(role, inputs) {
    return this.sessions[role].run(inputs);
  }
}

// Silero's detector, see unmask.export.silero. It hears 16-bit samples, as in Python.
class Vad {
  constructor(graph) {
    Object.assign(this, { graph, frameSamples: FRAME_SAMPLES });
    this.reset();
  }

  reset() {
    this.h = this.c = floats(new Float32Array(STATE), [1, 1, STATE]);
  }

  async probability(frame) {
    const pcm = frame.map((sample) => Math.trunc(Math.min(Math.max(32768 * sample, -32768), 32767)) / 32767);
    const made = await this.graph.run({ samples: floats(pcm, [FRAME_SAMPLES]), h: this.h, c: this.c });
    [this.h, this.c] = [made.next_h, made.next_c];
    return made.probability.data[0];
  }
}
