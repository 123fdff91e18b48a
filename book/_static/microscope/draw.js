/** Small pieces of the page. Text is always set as text: what a reader types is never read as HTML. */

import { softmax } from "./maths.js";
import { decode, entities } from "./text.js";

/** @typedef {import("./tagger.js").Answer} Answer */

export const KINDS = { PER: "person", ORG: "organisation", LOC: "place", MISC: "other name" };

/**
 * Make an element.
 * @param {string} name  "tag" or "tag.class"
 * @param {(Node | string)[]} children
 * @param {Record<string, string>} attributes
 */
export function make(name, children = [], attributes = {}) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * The element of the page with this id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function at(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return /** @type {T} */ (element);
}

/** @param {number} bytes */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** @param {number} share */
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

/**
 * @param {Answer} answer
 * @param {string[]} labels
 */
export const tags = (answer, labels) => decode(answer.logits, labels).map((k) => labels[k]);

/**
 * The text from `start` to `end`, with some of its words wrapped.
 * @param {string} text
 * @param {Answer["words"]} words
 * @param {boolean[]} chosen  which of the words
 * @param {(word: string) => Node} wrap
 * @returns {(Node | string)[]}
 */
export function wrapped(text, words, chosen, wrap, start = 0, end = Infinity) {
  /** @type {(Node | string)[]} */
  const parts = [];
  const letters = [...text];
  let done = start;
  words.forEach((word, i) => {
    if (!chosen[i] || word.start < start || word.end > end) return;
    parts.push(letters.slice(done, word.start).join(""), wrap(word.text));
    done = word.end;
  });
  return [...parts, letters.slice(done, end).join("")];
}

/**
 * The text with its names marked, each with its type beside it, and the words on which the models differ.
 * @param {string} text
 * @param {Answer["words"]} words
 * @param {string[]} tags
 * @param {boolean[]} differs  a flag for each word
 * @returns {(Node | string)[]}
 */
export function marked(text, words, tags, differs = []) {
  const wrap = (/** @type {string} */ word) =>
    make("span.ms-differs", [word, make("span.visually-hidden", [" (differs)"])]);
  const stretch = (/** @type {number} */ start, /** @type {number} */ end) => wrapped(text, words, differs, wrap, start, end);
  /** @type {(Node | string)[]} */
  const parts = [];
  let done = 0;
  for (const [type, first, last] of entities(tags)) {
    const [start, end] = [words[first].start, words[last - 1].end];
    parts.push(...stretch(done, start), make("span.ms-name", [...stretch(start, end), make("b", [type])], { "data-type": type }));
    done = end;
  }
  return [...parts, ...stretch(done, Infinity)];
}

/**
 * A model's soft labels of a word: a bar, and its three largest shares in words.
 * @param {string} who
 * @param {ArrayLike<number>} logits
 * @param {string[]} labels
 * @param {number} temperature
 */
export function soft(who, logits, labels, temperature) {
  const shares = softmax(logits, temperature);
  const order = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]);
  const bar = make("span.ms-bar", [], { "aria-hidden": "true" });
  shares.forEach((share, k) => {
    const part = make("i", [], { "data-type": labels[k].slice(2) || "O", "data-begins": String(labels[k][0] === "B") });
    part.style.flexGrow = String(share);
    bar.append(part);
  });
  const said = order.slice(0, 3).map((k, place) => make(place ? "span" : "b", [`${labels[k]} ${shares[k].toFixed(2)} `]));
  return make("span.ms-soft", [make("span.ms-who", [who]), bar, make("span.ms-shares", said)]);
}

/**
 * Fill a table's body.
 * @param {HTMLElement} body
 * @param {(Node | string)[][]} rows  the first cell of each is its heading
 */
export function fill(body, rows) {
  const cell = (/** @type {Node | string} */ content, /** @type {number} */ place) =>
    place ? make("td", [content]) : make("th", [content], { scope: "row" });
  body.replaceChildren(...rows.map((row) => make("tr", row.map(cell))));
}
