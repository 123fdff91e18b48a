/** Which sentences would go up to the teacher, and what that costs: lesson 11 on the sentences of this page. */

import { at, make, percent, tags, wrapped } from "./draw.js";
import { confidence, multiplications, softmax } from "./maths.js";

/** @typedef {import("./tagger.js").Answer} Answer */
/** @typedef {import("./facts.js").Variant} Variant */
/** @typedef {{text: string, student: Answer, teacher: Answer | null}} Read  a sentence that the student has read */

/**
 * @param {Read[]} sentences
 * @param {Variant} teacher
 * @param {Variant} student
 * @param {number} threshold
 * @param {string} by  "lowest" or "entropy"
 * @param {string[]} labels
 */
export function weigh(sentences, teacher, student, threshold, by, labels) {
  let [alone, first, second, words, same, sameAlone] = [0, 0, 0, 0, 0, 0];
  const seen = sentences.map(({ student: said, teacher: theirs }) => {
    const sure = confidence(said.logits, by);
    const up = sure < threshold;
    const price = said.lengths.reduce((sum, length) => sum + multiplications(teacher.shape, length), 0);
    alone += price;
    first += said.lengths.reduce((sum, length) => sum + multiplications(student.shape, length), 0);
    if (up) second += price;
    if (theirs) {
      const right = tags(theirs, labels);
      const equal = tags(said, labels).filter((tag, i) => tag === right[i]).length;
      words += said.words.length;
      sameAlone += equal;
      same += up ? said.words.length : equal;
    }
    return { sure, up };
  });
  return {
    seen,
    cost: { student: first / alone, teacher: second / alone },
    agreement: words ? { cascade: same / words, student: sameAlone / words, words } : null,
  };
}

/**
 * @param {Read[]} sentences
 * @param {Variant} teacher
 * @param {Variant} student
 * @param {number} threshold
 * @param {string} by
 * @param {string[]} labels
 */
export function showCascade(sentences, teacher, student, threshold, by, labels) {
  const { seen, cost, agreement } = weigh(sentences, teacher, student, threshold, by, labels);
  const up = seen.filter((one) => one.up).length;
  const bill =
    `${up} of ${seen.length} sentences go to the teacher. Cost: ${cost.student.toFixed(2)} for the student + ` +
    `${cost.teacher.toFixed(2)} for the teacher = ${(cost.student + cost.teacher).toFixed(2)}; the teacher alone costs 1.`;
  const words = agreement
    ? ` ${percent(agreement.cascade, 1)} of ${agreement.words} words get the teacher's label, ` +
      `${percent(agreement.student, 1)} from the student alone.`
    : "";
  at("ms-bill").textContent = bill + words;
  at("ms-sentences").replaceChildren(
    ...sentences.map(({ text, student: said }, i) =>
      make(
        seen[i].up ? "li.ms-up" : "li",
        [
          make("span.ms-read", wrapped(text, said.words, doubtful(said, threshold), (word) => make("u", [word]))),
          make("span.ms-sure", [`${seen[i].sure.toFixed(2)} ${seen[i].up ? "→ teacher" : "student"}`]),
        ],
      ),
    ),
  );
}

/**
 * Which words the student is less sure of than the threshold.
 * @param {Answer} said
 * @param {number} threshold
 */
const doubtful = (said, threshold) => said.logits.map((row) => Math.max(...softmax(row)) < threshold);
