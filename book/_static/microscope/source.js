/** Where answers come from: the models in the worker, or what they said when the page was built. */

import { median } from "./maths.js";
import { words } from "./text.js";

/** @typedef {import("./facts.js").Facts} Facts */
/** @typedef {import("./facts.js").Variant} Variant */
/** @typedef {import("./tagger.js").Answer} Answer */

const REMEMBERED = 300; // answers that are kept, so that a slider moves without asking a model again

export class Source {
  /** @param {Facts} facts */
  constructor(facts) {
    this.facts = facts;
    this.recorded = new Map([...facts.examples, ...facts.sentences].map((sentence) => [sentence.text, sentence]));
    /** @type {Map<number, {resolve: Function, reject: Function, seen: Function}>} */
    this.waiting = new Map();
    /** @type {Set<string>} */
    this.loaded = new Set();
    /** @type {Set<string>} what had been loaded when the worker died, and was not asked for again */
    this.lost = new Set();
    /** @type {Map<string, Promise<void>>} the variants that are on their way */
    this.coming = new Map();
    /** @type {Map<string, number[]>} the last times of each variant, in milliseconds */
    this.times = new Map();
    /** @type {Map<string, Answer>} by variant and text */
    this.given = new Map();
    this.last = 0;
    /** @type {Worker | null} */
    this.worker = null;
  }

  /**
   * Load a variant; what is loaded already is there at once, and what is on its way is not fetched twice.
   * @param {Variant} variant
   * @param {(bytes: number) => void} seen  not told if somebody else is told already
   * @returns {Promise<void>}
   */
  load(variant, seen) {
    if (this.loaded.has(variant.key)) return Promise.resolve();
    const coming = this.coming.get(variant.key) ?? this.open(variant, seen).finally(() => this.coming.delete(variant.key));
    this.coming.set(variant.key, coming);
    return coming;
  }

  /**
   * @param {Variant} variant
   * @param {(bytes: number) => void} seen
   */
  async open(variant, seen) {
    this.lost.delete(variant.key); // once: a model that the device cannot bear is not begun again at each key
    await this.ask({ ask: "open", variant, engine: this.facts.runtime }, seen);
    this.loaded.add(variant.key);
  }

  /**
   * What a variant says of a text; null where nobody knows, because it is not loaded and has not been asked before.
   * @param {Variant} variant
   * @param {string} text
   * @returns {Promise<Answer | null>}
   */
  async answer(variant, text) {
    const key = `${variant.key} ${text}`;
    const given = this.given.get(key);
    if (given) return given;
    if (!this.loaded.has(variant.key)) return this.remembered(variant, text);
    const { ms, ...answer } = await this.ask({ ask: "answer", variant, text });
    if (answer.words.length) this.times.set(variant.key, [...(this.times.get(variant.key) ?? []), ms].slice(-25));
    this.given.set(key, answer);
    if (this.given.size > REMEMBERED) this.given.delete(/** @type {string} */ (this.given.keys().next().value));
    return answer;
  }

  /**
   * What a variant said of a sentence of the test split when the page was made.
   * @param {Variant} variant
   * @param {string} text
   * @returns {Answer | null}
   */
  remembered(variant, text) {
    const said = this.recorded.get(text)?.answers[variant.key];
    if (!said) return null;
    const logits = said.logits.map((row) => Float32Array.from(row, (hundredths) => hundredths / 100));
    return { words: words(text), logits, lengths: said.lengths };
  }

  /**
   * The median of a variant's last times here, in milliseconds.
   * @param {Variant} variant
   */
  pace(variant) {
    const times = this.times.get(variant.key);
    return times && median(times);
  }

  /**
   * @param {object} question
   * @param {(bytes: number) => void} [seen]
   * @returns {Promise<any>}
   */
  ask(question, seen = () => {}) {
    this.worker ??= this.begin();
    const id = ++this.last;
    this.worker.postMessage({ id, ...question });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, seen }));
  }

  begin() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: { id, seen, done, failed } }) => {
      const waits = this.waiting.get(id);
      if (!waits) return;
      if (seen !== undefined) return waits.seen(seen);
      this.waiting.delete(id);
      if (done) waits.resolve(done);
      else waits.reject(new Error(failed));
    });
    worker.addEventListener("error", (event) => {
      if (this.worker !== worker) return; // a second error of the same one
      worker.terminate(); // it may never answer again; the next question begins a new one
      this.worker = null;
      for (const key of this.loaded) this.lost.add(key);
      this.loaded.clear();
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "the worker could not begin"));
      this.waiting.clear();
    });
    return worker;
  }
}
