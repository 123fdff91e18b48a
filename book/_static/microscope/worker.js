/**
 * The models live here, in a thread of their own, so that typing stays smooth while one of them thinks.
 *
 * Asked `{id, ask: "open", rung}` or `{id, ask: "answer", rung, text}`; says `{id, seen}` while files come, and in the
 * end `{id, done}` or `{id, failed}`.
 */

// @ts-expect-error  copied there when the site is built
import * as runtime from "./vendor/ort.wasm.bundle.min.mjs";
import { file } from "./store.js";
import { Tagger } from "./tagger.js";

/** @typedef {import("./facts.js").Rung} Rung */
/** @typedef {import("./facts.js").Facts} Facts */

/** @type {any} */
const ort = runtime;
/** @type {Map<string, Promise<Tagger>>} */
const taggers = new Map();
let begun = false;

/**
 * @param {Rung} rung
 * @param {NonNullable<Facts["runtime"]>} engine
 * @param {(bytes: number) => void} seen
 */
async function open(rung, engine, seen) {
  const of = (/** @type {string} */ name) => file(new URL(`${rung.folder}/${name}`, import.meta.url).href, rung.files[name]);
  const json = async (/** @type {string} */ name) => JSON.parse(new TextDecoder().decode(await of(name)));
  const graphAt = new URL(`${rung.folder}/${rung.graph}`, import.meta.url).href;
  const [wasm, graph, tokenizer, facts] = await Promise.all([
    begun ? null : file(new URL(engine.file, import.meta.url).href, engine.sha256),
    file(graphAt, rung.files[rung.graph], seen),
    json("tokenizer.json"),
    json("export.json"),
  ]);
  if (wasm) {
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.numThreads = 1; // more would need a server that sends special headers
    begun = true;
  }
  const tagger = await Tagger.open(ort, graph, tokenizer, facts);
  await tagger.answer("A first sentence, so that the next one finds everything in its place."); // the slowest
  return tagger;
}

addEventListener("message", async ({ data: { id, ask, rung, engine, text } }) => {
  try {
    if (ask === "open") {
      if (!taggers.has(rung.key)) taggers.set(rung.key, open(rung, engine, (seen) => postMessage({ id, seen })));
      await taggers.get(rung.key);
      postMessage({ id, done: {} });
    } else {
      const tagger = await taggers.get(rung.key);
      if (!tagger) throw new Error(`${rung.name} is not loaded`);
      const start = performance.now();
      const answer = await tagger.answer(text);
      postMessage({ id, done: { ...answer, ms: performance.now() - start } });
    }
  } catch (error) {
    if (ask === "open") taggers.delete(rung.key);
    postMessage({ id, failed: error instanceof Error ? error.message : String(error) });
  }
});
