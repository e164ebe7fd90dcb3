// Whether a graph may run on the GPU, by WebGPU: a small fixed call must give what WebAssembly gives, as unmask.engines.device_check
// wants it of every device. Knows sessions and tensors; knows no captions.

const EQUAL = 0.75; // share of ids that have to be the same: near ties fall either way
const FAR = 0.2; // relative distance of numbers

// Whether there is a GPU. wished: the user asked for it, so a software one will do.
export async function gpu(wished) {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  return Boolean(adapter) && (wished || !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter));
}

// What is wrong with the outputs of the one session, null if nothing is. right: the outputs of the other, by name.
export function fault(found, right) {
  for (const name of Object.keys(right)) {
    const [one, other] = [found[name].data, right[name].data];
    if (one.length !== other.length) return `${name} has another size`;
    if (right[name].type === "int64") {
      const same = one.reduce((count, id, i) => count + (id === other[i]), 0);
      if (same < EQUAL * one.length) return `${same} of ${one.length} ${name} are right`;
    } else if (!(distance(one, other) <= FAR)) return `${name} are wrong`; // so are those that are not finite
  }
  return null;
}

function distance(one, other) {
  let [apart, size] = [0, 0];
  other.forEach((number, i) => ((apart += (one[i] - number) ** 2), (size += number ** 2)));
  return Math.sqrt(apart) / Math.max(Math.sqrt(size), 1e-6);
}
