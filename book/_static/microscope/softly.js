/** Teacher and student, word by word, at the reader's temperature: lesson 02 on the reader's own sentence. */

import { at, fill, soft } from "./draw.js";
import { divergence } from "./maths.js";

/** @typedef {import("./tagger.js").Answer} Answer */

/**
 * @param {Answer | null} teacher
 * @param {Answer} student
 * @param {string[]} labels
 * @param {number} temperature
 */
export function showSoftly(teacher, student, labels, temperature) {
  let sum = 0;
  const rows = student.words.map((word, i) => {
    const said = soft("student", student.logits[i], labels, temperature);
    if (!teacher) return [word.text, said, "–"];
    const apart = divergence(teacher.logits[i], student.logits[i], temperature);
    sum += apart;
    const both = document.createDocumentFragment();
    both.append(soft("teacher", teacher.logits[i], labels, temperature), said);
    return [word.text, both, apart.toFixed(3)];
  });
  fill(at("ms-soft-rows"), rows);
  const count = student.words.length;
  at("ms-kl").textContent = !count
    ? "No words yet."
    : teacher
      ? `Sum of the KL over ${count} words: ${sum.toFixed(3)} nats. Mean a word: ${(sum / count).toFixed(4)}. ` +
        `Times T² = ${(temperature ** 2).toFixed(1)}: ${((temperature ** 2 * sum) / count).toFixed(4)}, the loss of lesson 02.`
      : "The teacher has not read this sentence. Load it, and the KL of each word appears.";
}
