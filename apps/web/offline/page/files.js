// The folder's large files, each kept by the browser after it was loaded and checked once. Knows files.json; knows no model.

const BASE = new URL(".", import.meta.url);
export const listed = async () => JSON.parse(new TextDecoder().decode(await fetched("files.json")));

// Gives load(path) -> Uint8Array, from the browser's store if it is there. onProgress(bytes) as they come in.
export async function opened({ version, files }, onProgress) {
  const store = globalThis.caches && (await caches.open(`unmask-${version}`).catch(() => null)); // none on plain http
  return async (path) => {
    const url = new URL(path, BASE);
    const kept = await store?.match(url);
    if (kept) {
      onProgress(files[path].bytes);
      return new Uint8Array(await kept.arrayBuffer());
    }
    const bytes = await fetched(path, onProgress);
    if (bytes.length !== files[path].bytes || (await digest(bytes)) !== files[path].sha256) {
      throw new Error(`${path} is damaged: ${bytes.length} of ${files[path].bytes} bytes, or other ones. Copy the whole folder again.`);
    }
    await store?.put(url, new Response(bytes)).catch(() => null); // no room: it is loaded again the next time
    return bytes;
  };
}

async function fetched(path, onProgress = () => {}) {
  const answer = await fetch(new URL(path, BASE)).catch(() => {
    throw new Error("No network, and this page has not been loaded completely before. Connect once, and wait until it says Ready.");
  });
  if (!answer.ok) throw new Error(`${path} is missing here (${answer.status}). Copy the whole folder that “unmask export” wrote.`);
  const parts = [];
  const reader = answer.body.getReader();
  for (let part; !(part = await reader.read()).done; ) {
    parts.push(part.value);
    onProgress(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// Browsers compute hashes for pages of this machine or over https alone.
async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
