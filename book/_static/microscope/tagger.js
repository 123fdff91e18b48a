/**
 * An exported model at work: the twin of `tinykd/deploy/runtime.py`. It knows no page and no network, so that the tests can
 * run it as it is; its caller brings ONNX Runtime and the files of the folder.
 */

import { cut, words } from "./text.js";
import { WordPiece } from "./wordpiece.js";

/** @typedef {import("./text.js").Word} Word */
/** @typedef {{words: Word[], logits: Float32Array[], lengths: number[]}} Answer  one row of logits per word; `lengths`: the subword tokens of each window */

export class Tagger {
  /**
   * @param {any} ort  the module `onnxruntime-web`
   * @param {any} session  an open ONNX graph
   * @param {WordPiece} tokenizer
   * @param {{labels: string[], max_length: number}} facts  `export.json`
   */
  constructor(ort, session, tokenizer, facts) {
    this.ort = ort;
    this.session = session;
    this.tokenizer = tokenizer;
    this.labels = facts.labels;
    this.maxLength = facts.max_length;
  }

  /**
   * @param {any} ort
   * @param {Uint8Array} graph  the bytes of `onnx/model.onnx` or `onnx/model_quantized.onnx`
   * @param {any} tokenizer  the parsed `tokenizer.json`
   * @param {any} facts  the parsed `export.json`
   */
  static async open(ort, graph, tokenizer, facts) {
    if (facts.task !== "tagging") throw new Error(`this page shows taggers, and the model is for ${facts.task}`);
    const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
    return new Tagger(ort, session, new WordPiece(tokenizer), facts);
  }

  /**
   * Tag a text. One window at a time, no padding: what `runtime.logits(…, batch_size=1)` does.
   * @param {string} text
   * @returns {Promise<Answer>}
   */
  async answer(text) {
    const found = words(text);
    if (!found.length) return { words: [], logits: [], lengths: [] };
    const { before, after } = this.tokenizer;
    const windows = cut(found.map((word) => this.tokenizer.encode(word.text)), before, after, this.maxLength);
    /** @type {Float32Array[]} */
    const logits = [];
    for (const { ids, firstSubwords } of windows) {
      const values = await this.run(ids);
      const classes = this.labels.length;
      for (const start of firstSubwords) logits.push(values.slice(start * classes, (start + 1) * classes));
    }
    return { words: found, logits, lengths: windows.map(({ ids }) => ids.length) };
  }

  /**
   * @param {number[]} ids
   * @returns {Promise<Float32Array>}  (subword tokens, classes), flat
   */
  async run(ids) {
    const shape = [1, ids.length];
    const feeds = {
      input_ids: new this.ort.Tensor("int64", BigInt64Array.from(ids, BigInt), shape),
      attention_mask: new this.ort.Tensor("int64", new BigInt64Array(ids.length).fill(1n), shape),
    };
    const { logits } = await this.session.run(feeds);
    const values = new Float32Array(logits.data); // a copy: the tensor goes back to where it came from
    for (const tensor of [...Object.values(feeds), logits]) tensor.dispose();
    return values;
  }

  /** Give the memory back. */
  async close() {
    await this.session.release();
  }
}
