/** Ask the page's own modules: reads questions from standard input, writes the answers to standard output, as JSON. */

import { readFileSync } from "node:fs";
import * as ort from "../../tools/microscope/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
import * as cascade from "../../book/_static/microscope/cascade.js";
import * as maths from "../../book/_static/microscope/maths.js";
import { file } from "../../book/_static/microscope/store.js";
import { Tagger } from "../../book/_static/microscope/tagger.js";
import * as text from "../../book/_static/microscope/text.js";
import { normalize, split, WordPiece } from "../../book/_static/microscope/wordpiece.js";

const { ask, ...asked } = JSON.parse(readFileSync(0, "utf-8"));
const json = (name) => JSON.parse(readFileSync(name, "utf-8"));

const answers = {
  /** The parts of "a?b" for every character, before they are looked up in a vocabulary; null for half a pair. */
  characters: () =>
    Array.from({ length: 0x110000 }, (_, code) =>
      code >= 0xd800 && code < 0xe000 ? null : split(normalize(`a${String.fromCodePoint(code)}b`)),
    ),
  words: ({ texts, tokenizer }) => {
    const pieces = new WordPiece(json(tokenizer));
    return texts.map((one) => text.words(one).map((word) => [...Object.values(word), pieces.encode(word.text)]));
  },
  words_alone: ({ texts }) => texts.map((one) => text.words(one).map(({ text }) => text)),
  slices: ({ texts }) => texts.map((one) => text.words(one).map(({ start, end }) => text.slice(one, start, end))),
  /** Fetch a file twice through a cache of which some doors are shut; how often the network was asked. */
  stored: async ({ content, digest, shut }) => {
    const kept = new Map();
    const doors = {
      open: async () => cache,
      match: async (key) => kept.get(key)?.clone(),
      delete: async (key) => kept.delete(key),
      put: async (key, response) => void kept.set(key, response),
    };
    for (const door of shut) doors[door] = () => Promise.reject(new Error("the reader has blocked the data of sites"));
    const { open, ...cache } = doors;
    globalThis.caches = { open };
    let asked = 0;
    globalThis.fetch = async () => {
      asked++;
      return new Response(content);
    };
    const seen = [];
    const found = [];
    for (let visit = 0; visit < 2; visit++) {
      const bytes = await file("http://127.0.0.1/model.onnx", digest, (count) => seen.push(count));
      found.push(new TextDecoder().decode(bytes));
    }
    return { found, asked, seen };
  },
  windows: ({ cases }) => cases.map(([sizes, room]) => text.windows(sizes, room)),
  entities: ({ rows }) => rows.map(text.entities),
  decode: ({ rows, labels }) => rows.map((row) => text.decode(row, labels)),
  softly: ({ pairs }) => pairs.map(([p, q, t]) => [maths.softmax(p, t), maths.divergence(p, q, t)]),
  confidence: ({ rows }) => rows.map((row) => ["lowest", "entropy"].map((by) => maths.confidence(row, by))),
  multiplications: ({ shape, lengths }) => lengths.map((length) => maths.multiplications(shape, length)),
  cascade: ({ sentences, teacher, student, threshold, by, labels }) =>
    cascade.weigh(sentences, teacher, student, threshold, by, labels),
  logits: async ({ folder, graph, texts }) => {
    const dist = new URL("../../tools/microscope/node_modules/onnxruntime-web/dist/", import.meta.url);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = readFileSync(new URL("ort-wasm-simd-threaded.wasm", dist));
    const bytes = new Uint8Array(readFileSync(`${folder}/${graph}`));
    const tagger = await Tagger.open(ort, bytes, json(`${folder}/tokenizer.json`), json(`${folder}/export.json`));
    const found = [];
    for (const one of texts) {
      const { words, logits, lengths } = await tagger.answer(one);
      found.push({ words: words.map(({ text }) => text), logits: logits.map((row) => [...row]), lengths });
    }
    await tagger.close();
    return found;
  },
};

process.stdout.write(JSON.stringify(await answers[ask](asked)));
