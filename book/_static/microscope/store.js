/**
 * Fetch the files of the models: with a progress bar, checked by their SHA-256, kept for the next visit.
 *
 * The browser's cache of files is open only to pages that come by https or from this machine. Elsewhere the files are
 * fetched again at each visit, and not checked, since the browser does not compute SHA-256 for such pages either.
 */

const NAME = "tinykd-microscope";

/**
 * @param {string} url
 * @param {string} digest  SHA-256, as hexadecimal digits
 * @param {(bytes: number) => void} [seen]  told how many bytes have come so far
 * @returns {Promise<Uint8Array>}
 */
export async function file(url, digest, seen = () => {}) {
  const key = `${url}?sha256=${digest}`; // new bytes are a new address: an old copy is never taken for them
  const kept = await inCache(async (cache) => (await cache.match(key))?.arrayBuffer());
  if (kept && (await isWhole(new Uint8Array(kept), digest))) {
    seen(kept.byteLength);
    return new Uint8Array(kept);
  }
  const bytes = await download(url, seen);
  if (!(await isWhole(bytes, digest))) {
    throw new Error(`${url}: cut short or altered on its way (other SHA-256); load the page again`);
  }
  const copy = new Response(/** @type {any} */ (bytes));
  inCache(async (cache) => {
    await cache.delete(url, { ignoreSearch: true }); // older ones of the same name
    await cache.put(key, copy);
  }); // the answer does not wait for the disk
  return bytes;
}

/**
 * Ask the browser's cache. That there is none, that the reader has blocked it, and that the disk is full are no reasons
 * to stop: next time the file is fetched again.
 * @template T
 * @param {(cache: Cache) => Promise<T>} use
 * @returns {Promise<T | undefined>}
 */
async function inCache(use) {
  try {
    return globalThis.caches && (await use(await caches.open(NAME)));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} url
 * @param {(bytes: number) => void} seen
 */
async function download(url, seen) {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`${url}: the server says ${response.status}`);
  const parts = [];
  let size = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    seen((size += value.length));
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * @param {Uint8Array} bytes
 * @param {string} digest
 */
async function isWhole(bytes, digest) {
  if (!globalThis.crypto?.subtle) return true;
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", /** @type {any} */ (bytes)));
  return Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("") === digest;
}
