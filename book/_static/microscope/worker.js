/**
 * The models live here, in a thread of their own, so that typing stays smooth while one of them thinks.
 *
 * Asked `{id, ask: "open", variant}` or `{id, ask: "answer", variant, text}`; says `{id, seen}` while files come, and in the
 * end `{id, done}` or `{id, failed}`.
 */

// @ts-expect-error  copied there when the site is built
import * as runtime from "./vendor/ort.wasm.bundle.min.mjs";
import { file } from "./store.js";
import { Tagger } from "./tagger.js";

/** @typedef {import("./facts.js").Variant} Variant */
/** @typedef {import("./facts.js").Facts} Facts */

/** @type {any} */
const ort = runtime;
/** @type {Map<string, Promise<Tagger>>} */
const taggers = new Map();
/** @type {Promise<void> | undefined} ONNX Runtime, fetched once for all variants */
let begun;

/** @param {NonNullable<Facts["runtime"]>} engine */
async function begin(engine) {
  try {
    ort.env.wasm.wasmBinary = await file(new URL(engine.file, import.meta.url).href, engine.sha256);
    ort.env.wasm.numThreads = 1; // more would need a server that sends special headers
  } catch (error) {
    begun = undefined; // the next variant tries again
    throw error;
  }
}

/**
 * @param {Variant} variant
 * @param {NonNullable<Facts["runtime"]>} engine
 * @param {(bytes: number) => void} seen
 */
async function open(variant, engine, seen) {
  const of = (/** @type {string} */ name) => file(new URL(`${variant.folder}/${name}`, import.meta.url).href, variant.files[name]);
  const json = async (/** @type {string} */ name) => JSON.parse(new TextDecoder().decode(await of(name)));
  const graphAt = new URL(`${variant.folder}/${variant.graph}`, import.meta.url).href;
  begun ??= begin(engine);
  const [, graph, tokenizer, facts] = await Promise.all([
    begun,
    file(graphAt, variant.files[variant.graph], seen),
    json("tokenizer.json"),
    json("export.json"),
  ]);
  const tagger = await Tagger.open(ort, graph, tokenizer, facts);
  await tagger.answer("A first sentence, so that the next one finds everything in its place."); // the slowest
  return tagger;
}

addEventListener("message", async ({ data: { id, ask, variant, engine, text } }) => {
  try {
    if (ask === "open") {
      if (!taggers.has(variant.key)) taggers.set(variant.key, open(variant, engine, (seen) => postMessage({ id, seen })));
      await taggers.get(variant.key);
      postMessage({ id, done: {} });
    } else {
      const tagger = await taggers.get(variant.key);
      if (!tagger) throw new Error(`${variant.name} is not loaded`);
      const start = performance.now();
      const answer = await tagger.answer(text);
      postMessage({ id, done: { ...answer, ms: performance.now() - start } });
    }
  } catch (error) {
    if (ask === "open") taggers.delete(variant.key);
    postMessage({ id, failed: error instanceof Error ? error.message : String(error) });
  }
});
