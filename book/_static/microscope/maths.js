/** The formulas of the lessons, on plain arrays. A row of logits is one word's: a number for each label. */

/**
 * softmax(logits / T), lesson 02.
 * @param {ArrayLike<number>} logits
 * @param {number} [temperature]
 * @returns {number[]}
 */
export function softmax(logits, temperature = 1) {
  const scaled = Array.from(logits, (value) => value / temperature);
  const highest = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/**
 * KL(teacher ‖ student) of one word at a temperature, in nats, lesson 02. Not yet multiplied by T².
 * @param {ArrayLike<number>} teacher  logits
 * @param {ArrayLike<number>} student  logits
 * @param {number} temperature
 */
export function divergence(teacher, student, temperature) {
  const [p, q] = [softmax(teacher, temperature), softmax(student, temperature)];
  return p.reduce((sum, share, k) => (share > 0 ? sum + share * Math.log(share / q[k]) : sum), 0);
}

/**
 * The place of the largest logit; of equal ones, the first.
 * @param {ArrayLike<number>} logits
 */
export function best(logits) {
  let found = 0;
  for (let k = 1; k < logits.length; k++) if (logits[k] > logits[found]) found = k;
  return found;
}

/**
 * How sure a model is of a sentence, in [0, 1], lesson 11: the probability of its least sure word (`"lowest"`), or one
 * minus the mean entropy of its words, as a share of the largest possible (`"entropy"`).
 * @param {ArrayLike<number>[]} rows  logits, one row a word
 * @param {string} by
 */
export function confidence(rows, by) {
  if (by === "lowest") return Math.min(...rows.map((row) => Math.max(...softmax(row))));
  const entropies = rows.map((row) => softmax(row).reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0));
  const mean = entropies.reduce((a, b) => a + b, 0) / rows.length;
  return Math.min(1, Math.max(0, 1 - mean / Math.log(rows[0].length)));
}

/**
 * Multiplications of one pass over `length` subword tokens, lesson 11; the same sum as `tinykd.fusion.macs`.
 * @param {{width: number, attention: number[], neurons: number[], rank: number, classes: number}} shape  `attention`: the width of all heads of a layer; `rank`: of a factorized table, or 0
 * @param {number} length
 */
export function multiplications({ width, attention, neurons, rank, classes }, length) {
  const sum = (/** @type {number[]} */ values) => values.reduce((a, b) => a + b, 0);
  const heads = 4 * length * width * sum(attention) + 2 * length ** 2 * sum(attention);
  return heads + 2 * length * width * sum(neurons) + length * width * (rank + classes);
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
