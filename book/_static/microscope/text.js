/**
 * What stands between plain text and a model: words, windows, labels, entities. The twin of `tinykd/text.py`, line for line;
 * `tests/microscope` holds the two to the same answers. Only the regular expression looks different: Python's `\w`,
 * `\d`, `\s` and `\b` know every script, JavaScript's know ASCII.
 */

import { best } from "./maths.js";

/** @typedef {{text: string, start: number, end: number}} Word  a word and its place in the text, in UTF-16 units */
/** @typedef {{ids: number[], wordStarts: number[], firstWord: number}} Window  what a model sees at once */

const TITLES =
  "Mr|Mrs|Ms|Dr|St|Gen|Sen|Rep|Gov|Lt|Col|Sgt|Capt|Prof|Rev|Hon|Pres|Inc|Corp|Co|Ltd|Bros|Jr|Sr|No|" +
  "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec|vs|Mt|Ft";

const w = "[\\p{L}\\p{N}_]"; // Python's \w
const letter = "[\\p{L}\\p{Nl}\\p{No}]"; // [^\W\d_]
const digit = "\\p{Nd}";
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const noSpace = space.replace("[", "[^");
const begin = `(?<!${w})(?=${w})`; // \b before a letter
const end = `(?<=${w})(?!${w})`; // \b after one
const possessive = `(?:s|re|ve|ll|d|m)${end}`;
const initial = "[A-Z\\u0130\\u0131]"; // Python counts İ and ı among the letters that ignore their case; JavaScript doesn't

const WORD = new RegExp(
  [
    `(?:${letter}\\.){2,}`, // U.S.  U.N.  p.m.  J.R.
    `${begin}${initial}\\.(?=${space}+${noSpace})`, // J. (an initial, not the end of a sentence)
    `${begin}(?:${TITLES})\\.(?=${space}+${noSpace})`, // Mr.  St.  Inc.
    `['’]${possessive}`, // the possessive and its kin
    `${digit}+(?:[.,:/-]${digit}+)*${letter}*`, // 3.5  1,200  2-1  10:30  40th
    `${w}+(?:(?:['’](?!${possessive})|[-&])${w}+)*`, // O'Neill  left-wing  B&O
    "-{2,}|\\.{3,}", // -- ...
    noSpace,
  ].join("|"),
  "giu",
);

/**
 * The words of a text in order; white space is dropped, nothing else is.
 * @param {string} text
 * @returns {Word[]}
 */
export function words(text) {
  // To JavaScript the mark U+0345, case ignored, is the letter iota; to Python it is a mark like any other.
  const found = text.replaceAll("\u0345", "\u0300").matchAll(WORD);
  return Array.from(found, ({ index, 0: { length } }) => ({
    text: text.slice(index, index + length),
    start: index,
    end: index + length,
  }));
}

/**
 * Lay a document, given the piece ids of each word, into windows of at most `maxLength` pieces.
 * @param {number[][]} pieces  the ids of each word
 * @param {number[]} before  [CLS]
 * @param {number[]} after  [SEP]
 * @param {number} maxLength
 * @returns {Window[]}
 */
export function cut(pieces, before, after, maxLength) {
  const room = maxLength - before.length - after.length;
  const fitted = pieces.map((ids) => ids.slice(0, room));
  return windows(fitted.map((ids) => ids.length), room).map(([first, last, owned, ownedEnd]) => {
    const ids = [...before];
    const wordStarts = [];
    for (let word = first; word < last; word++) {
      if (owned <= word && word < ownedEnd) wordStarts.push(ids.length);
      ids.push(...fitted[word]);
    }
    return { ids: [...ids, ...after], wordStarts, firstWord: owned };
  });
}

/**
 * Cut a document, given the number of pieces of each word: `[first, last, owned, ownedEnd]` for each window, which
 * shows the words first … last and owns those from owned to ownedEnd. Windows overlap by about half; every word is
 * owned once.
 * @param {number[]} sizes
 * @param {number} room
 * @returns {[number, number, number, number][]}
 */
export function windows(sizes, room) {
  let sum = 0;
  const ends = sizes.map((size) => (sum += size));
  /** @param {number} value */
  const firstAbove = (value) => {
    const place = ends.findIndex((end) => end > value);
    return place < 0 ? ends.length : place;
  };
  /** @type {[number, number][]} */
  const spans = [];
  for (let first = 0, last = 0; last < sizes.length; ) {
    last = firstAbove(ends[first] - sizes[first] + room);
    spans.push([first, last]);
    first = Math.max(first + 1, firstAbove(ends[last - 1] - Math.floor(room / 2)));
  }
  const borders = [0, ...spans.slice(1).map(([start], i) => Math.floor((spans[i][1] + start) / 2)), sizes.length];
  return spans.map(([first, last], i) => [first, last, borders[i], borders[i + 1]]);
}

/**
 * The best label of each word among the sequences that IOB2 allows: an I- goes on with a name of its own type.
 * @param {ArrayLike<number>[]} logits a row a word
 * @param {string[]} labels
 * @returns {number[]}
 */
export function decode(logits, labels) {
  if (!logits.length) return [];
  const begun = new Set(labels.filter((label) => label.startsWith("B-")).map((label) => label.slice(2)));
  const forbidden = (/** @type {string} */ before, /** @type {string} */ label) =>
    label.startsWith("I-") && begun.has(label.slice(2)) && before.slice(2) !== label.slice(2);
  /** @type {number[][]} */
  const bestBefore = [];
  let score = labels.map((label, k) => (forbidden("O", label) ? -Infinity : logits[0][k]));
  for (const row of logits.slice(1)) {
    const from = labels.map((label) => best(score.map((s, j) => (forbidden(labels[j], label) ? -Infinity : s))));
    score = labels.map((_, k) => (forbidden(labels[from[k]], labels[k]) ? -Infinity : score[from[k]] + row[k]));
    bestBefore.push(from);
  }
  const found = [best(score)];
  for (const from of bestBefore.reverse()) found.push(from[found[found.length - 1]]);
  return found.reverse();
}

/**
 * The entities of IOB2 tags, `[type, first, last]`, `last` not included. An I- that continues nothing begins one.
 * @param {string[]} tags
 * @returns {[string, number, number][]}
 */
export function entities(tags) {
  /** @type {[string, number, number][]} */
  const found = [];
  let first = 0;
  let type = "";
  [...tags, "O"].forEach((tag, i) => {
    if (tag[0] === "I" && tag.slice(2) === type) return;
    if (type) found.push([type, first, i]);
    first = i;
    type = tag.slice(2);
  });
  return found;
}
