/** Teacher and student, word by word, at the reader's temperature: lesson 02 on the reader's own sentence. */

import { at, fill, soft } from "./draw.js";
import { divergence, softmax } from "./maths.js";

/** @typedef {import("./tagger.js").Answer} Answer */

const SURE = 0.99; // a word of which each model gives more to O is folded away

/**
 * @param {Answer | null} teacher
 * @param {Answer} student
 * @param {string[]} labels
 * @param {number} temperature
 * @param {boolean} all  also the words that are surely no name
 */
export function showSoftly(teacher, student, labels, temperature, all) {
  const isSure = (/** @type {ArrayLike<number>} */ row) => softmax(row)[labels.indexOf("O")] > SURE;
  const places = student.words.map((_, i) => i);
  const open = places.filter((i) => !isSure(student.logits[i]) || (teacher && !isSure(teacher.logits[i])));
  const apart = places.map((i) => (teacher ? divergence(teacher.logits[i], student.logits[i], temperature) : 0));
  const rows = (all ? places : open).map((i) => {
    const both = document.createDocumentFragment();
    if (teacher) both.append(soft("teacher", teacher.logits[i], labels, temperature));
    both.append(soft("student", student.logits[i], labels, temperature));
    return [student.words[i].text, both, teacher ? apart[i].toFixed(3) : "–"];
  });
  fill(at("ms-soft-rows"), rows);
  const folded = places.length - open.length;
  at("ms-all-line").hidden = !folded;
  at("ms-all-said").textContent = `show all words (${folded} more, surely O)`;
  const mean = apart.reduce((sum, one) => sum + one, 0) / places.length;
  at("ms-kl").textContent = !places.length
    ? "No words yet."
    : teacher
      ? `The mean KL per word, over all ${places.length} words: ${mean.toFixed(4)} nats. ` +
        `The mean times T² = ${(temperature ** 2).toFixed(1)}: ${(temperature ** 2 * mean).toFixed(4)}, the loss of lesson 02.`
      : "The teacher has not read this sentence. Load it at the top of the page, and the KL of each word appears.";
}
