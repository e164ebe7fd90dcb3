// A bundle and the voice activity detector, opened with onnxruntime-web on one thread of WebAssembly, or the bundle on the GPU. Knows
// graphs and tensors; knows no captions.

import { fault, gpu } from "./gpu.js";
import * as ort from "./ort/ort.mjs";
import { Tokenizer } from "./text.js";

const STATE = 128;
const FRAME_SAMPLES = 512; // of the detector
const CHECKED = { samples: 8000, tokens: 6 }; // of the call by which a GPU is held against WebAssembly

const TABLES = { int8: { size: 1, Table: Int8Array }, float16: { size: 2, Table: Uint16Array }, float32: { size: 4, Table: Float32Array } };

const text = (bytes) => new TextDecoder().decode(bytes);
const floats = (data, dims) => new ort.Tensor("float32", data, dims);
// The number whose float16 has these bits; tables hold no infinity.
const half = (bits) => {
  const [exponent, rest] = [(bits >> 10) & 31, bits & 1023];
  return (bits & 32768 ? -1 : 1) * (exponent ? (1 + rest / 1024) * 2 ** (exponent - 15) : rest * 2 ** -24);
};
const noise = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i * 0.37) / 4);

// load(path) -> Promise of a Uint8Array. device: "cpu", "gpu", or "" for the GPU if there is one that is no software. Gives
// {model, vad, device} for captioner.js and live.js; device says where the model runs, and why not where it was wished.
export async function open(load, device) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await load("ort/ort.wasm")).buffer;
  const manifest = JSON.parse(text(await load("bundle/bundle.json")));
  const tokenizer = new Tokenizer(JSON.parse(text(await load(`bundle/${manifest.tokenizer}`))));
  const weights = await load("bundle/weights.bin");
  const graphs = {};
  for (const role of ["context", "window"]) graphs[role] = await load(`bundle/${manifest.graphs[role]}`);
  const opened = async (provider) => {
    const sessions = {};
    for (const role of Object.keys(graphs)) sessions[role] = await session(graphs[role], provider, [{ path: "weights.bin", data: weights }]);
    return new Model(manifest, tokenizer, sessions, weights);
  };
  const vad = new Vad(await session(await load("vad.onnx")));
  const model = await opened("wasm");
  if (device === "cpu") return { model, vad, device: "CPU" };
  if (!(await gpu(device === "gpu"))) return { model, vad, device: device ? "CPU, since this browser gives no GPU" : "CPU" };
  const [other, why] = await checked(() => opened("webgpu"), model);
  if (other) model.release();
  return other ? { model: other, vad, device: "GPU" } : { model, vad, device: `CPU, since the GPU ${why}` };
}

// [the model that `make` opens, null], or [null, why it is of no use].
async function checked(make, right) {
  let made = null;
  try {
    made = await make();
    const wrong = await differs(made, right);
    if (wrong === null) return [made, null];
    made.release();
    return [null, `computes wrongly (${wrong})`];
  } catch (error) {
    made?.release();
    return [null, `fails (${error.message})`];
  }
}

const session = (graph, provider = "wasm", externalData = []) =>
  ort.InferenceSession.create(graph, { executionProviders: [provider], externalData, logSeverityLevel: 3 });

// How one model's answers differ from another's in a small call of each graph; null if they do not.
async function differs(model, right) {
  const samples = floats(noise(CHECKED.samples), [1, CHECKED.samples]);
  const heard = await right.run("context", { samples });
  const wrong = fault(await model.run("context", { samples }), heard);
  if (wrong) return wrong;
  const [layers, heads, , size] = heard.cross_k.dims;
  const width = heads * size;
  const past = () => floats(new Float32Array(layers * width), [layers, 1, width]);
  const inputs = () => ({
    rows: floats(noise(CHECKED.tokens * width), [CHECKED.tokens, width]),
    positions: right.integers(Array.from({ length: CHECKED.tokens }, (_, i) => 1 + i)),
    listed: right.integers([1]),
    cross_k: heard.cross_k,
    cross_v: heard.cross_v,
    past_k: past(),
    past_v: past(),
  });
  return fault(await model.run("window", inputs()), await right.run("window", inputs()));
}

class Model {
  constructor(manifest, tokenizer, sessions, weights) {
    Object.assign(this, { tokenizer, sessions, floats, record: manifest.transcript, schedule: manifest.tasks.caption });
    this.maskId = manifest.vocabulary.mask_id;
    const { offset, rows, width, dtype, scales } = manifest.embedding; // the table alone stays, the graphs have copies of the rest
    const { size, Table } = TABLES[dtype];
    const table = new Table(weights.slice(offset, offset + rows * width * size).buffer);
    const scale = dtype === "int8" ? new Float32Array(weights.slice(scales, scales + 4 * rows).buffer) : null;
    Object.assign(this, { table, scale, rows, width, read: dtype === "float16" ? half : (number) => number });
  }

  // (N,) ids -> (N, width) rows; int8 is stored as (width, rows), with a scale for each row.
  embed(ids) {
    const { table, scale, rows, width, read } = this;
    const found = new Float32Array(ids.length * width);
    ids.forEach((id, row) => {
      for (let i = 0; i < width; i++) found[row * width + i] = scale ? table[i * rows + id] * scale[id] : read(table[id * width + i]);
    });
    return found;
  }

  integers(numbers) {
    return new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), [numbers.length]);
  }

  run(role, inputs) {
    return this.sessions[role].run(inputs);
  }

  release() {
    for (const one of Object.values(this.sessions)) one.release();
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
