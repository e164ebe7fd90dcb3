// The service worker: keeps the page's own files, so that it opens without a network. The large ones are kept by files.js, in the
// same store. A folder that is exported anew has another version, hence another store.

const STORE = `unmask-${new URL(location.href).searchParams.get("version")}`;

self.oninstall = (event) => event.waitUntil(keep().then(() => self.skipWaiting()));
self.onactivate = (event) => event.waitUntil(dropOld().then(() => self.clients.claim()));

async function keep() {
  const { page } = await (await fetch("files.json", { cache: "no-store" })).json();
  const store = await caches.open(STORE);
  await store.addAll(page.map((path) => new Request(path, { cache: "no-cache" })));
}

async function dropOld() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("unmask-") && name !== STORE).map((name) => caches.delete(name)));
}

// What the folder holds now is asked of the network; all else is taken from the store.
self.onfetch = (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || url.search === "?latest") return;
  event.respondWith(kept(event.request));
};

const stored = async (request) => (await caches.open(STORE)).match(request, { ignoreSearch: true });
const kept = async (request) => (await stored(request)) ?? fetch(request);
