/**
 * What stands between plain text and a model: words, windows, labels, entities. The twin of `tinykd/text.py`, line for line;
 * `tests/microscope` holds the two to the same results. Only the regular expression looks different: Python's `\w`,
 * `\d` and `\s` know every script, JavaScript's know ASCII.
 */

import { best } from "./maths.js";

/** @typedef {{text: string, start: number, end: number}} Word  a word and its place in the text, in characters (code points) */
/** @typedef {{ids: number[], firstSubwords: number[], firstWord: number}} Window  what a model sees at once */

const cjk =
  "\\u3005-\\u3007\\u3041-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f" +
  "\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2ceaf}\\u{2f800}-\\u{2fa1f}";
const cjkMarks = "\\u3099\\u309a\\uff9e\\uff9f\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}"; // voiced sounds, variants of a character
const titles =
  "Mr|Mrs|Ms|Dr|St|Gen|Sen|Rep|Gov|Lt|Col|Sgt|Capt|Prof|Rev|Hon|Pres|Inc|Corp|Co|Ltd|Bros|Jr|Sr|" +
  "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec|Vs|Mt|Ft";

const char = `(?:(?![${cjk}])[\\p{L}\\p{N}_])`; // Python's \w without these
const letter = `(?:(?![${cjk}])[\\p{L}\\p{Nl}\\p{No}])`;
const digit = "\\p{Nd}";
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const noSpace = space.replace("[", "[^");
const clitic = `(?:[sdmSDM]|[rvRV][eE]|[lL]{2})(?!${char})`;

const WORD = new RegExp(
  [
    `(?:${letter}\\.){2,}`, // U.S.  U.N.  p.m.  J.R.
    `(?<!${char})[A-Z]\\.(?=${space}+${noSpace})`, // J. (an initial, not the end of a sentence)
    `(?<!${char})(?:${titles}|${titles.toUpperCase()}|mr|mrs|dr|vs)\\.(?=${space}+${noSpace})`, // Mr.  St.  INC.
    `(?<!${char})[Nn][Oo]\\.(?=${space}+${digit})`, // No. 5 (not: No. Then)
    `(?<=\\)${space})d\\.(?=${space}+${noSpace})`, // (10-1) d. Aomori: defeated
    `['’]${clitic}`, // the possessive and its kin
    `${digit}+(?:[.,:/-]${digit}+)*${letter}*`, // 3.5  1,200  2-1  10:30  40th
    `${char}+(?:(?:['’](?!${clitic})|[-&])${char}+)*`, // O'Neill  left-wing  B&O
    `[${cjk}][${cjkMarks}]*`,
    "-{2,}|\\.{3,}", // -- ...
    noSpace,
  ].join("|"),
  "gu",
);

/**
 * The words of a text in order; white space is dropped, nothing else is.
 * @param {string} text
 * @returns {Word[]}
 */
export function words(text) {
  let [units, characters] = [0, 0]; // JavaScript counts a character beyond U+FFFF as two units
  return Array.from(text.matchAll(WORD), ({ index, 0: word }) => {
    const start = characters + [...text.slice(units, index)].length;
    [units, characters] = [index + word.length, start + [...word].length];
    return { text: word, start, end: characters };
  });
}

/**
 * The characters of a text from `start` to `end`, as words count them.
 * @param {string} text
 * @param {number} start
 * @param {number} [end]
 */
export const slice = (text, start, end) => [...text].slice(start, end).join("");

/**
 * Lay a document into windows of at most `maxLength` subword tokens.
 * @param {number[][]} subwords  the ids of each word
 * @param {number[]} before  [CLS]
 * @param {number[]} after  [SEP]
 * @param {number} maxLength
 * @returns {Window[]}
 */
export function cut(subwords, before, after, maxLength) {
  const room = maxLength - before.length - after.length;
  const fitted = subwords.map((ids) => ids.slice(0, room));
  return windows(fitted.map((ids) => ids.length), room).map(([first, last, owned, ownedEnd]) => {
    const ids = [...before];
    const firstSubwords = [];
    for (let word = first; word < last; word++) {
      if (owned <= word && word < ownedEnd) firstSubwords.push(ids.length);
      ids.push(...fitted[word]);
    }
    return { ids: [...ids, ...after], firstSubwords, firstWord: owned };
  });
}

/**
 * Cut a document, given the number of subword tokens of each word: `[first, last, owned, ownedEnd]` for each window, which
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
 * @param {ArrayLike<number>[]} logits  one row per word
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
