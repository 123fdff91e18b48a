/** The first page: one sentence, read by teacher and student, and the soft labels of one of its words. */

import { at, make, marked, megabytes, soft, tags } from "./draw.js";
import { facts as read } from "./facts.js";
import { divergence } from "./maths.js";
import { Source } from "./source.js";

/** @typedef {import("./tagger.js").Answer} Answer */

const facts = await read();
const { variants, labels, examples } = facts;
const readers = { teacher: variants[0], student: variants[variants.length - 1] };
const source = new Source(facts);
const box = /** @type {HTMLInputElement} */ (at("front-text"));
const word = /** @type {HTMLSelectElement} */ (at("front-word"));
const slider = /** @type {HTMLInputElement} */ (at("front-temperature"));
/** @type {{teacher: Answer, student: Answer}} */
let answers;

/** Ask both models; of what is typed meanwhile, only the last state counts. */
async function update() {
  const text = box.value;
  const [teacher, student] = await Promise.all(Object.values(readers).map((variant) => source.answer(variant, text)));
  if (text !== box.value || !teacher || !student) return;
  answers = { teacher, student };
  for (const [who, answer] of Object.entries(answers)) {
    at(`front-${who}`).replaceChildren(...marked(text, answer.words, tags(answer, labels)));
  }
  const apart = teacher.logits.map((row, i) => divergence(row, student.logits[i], 1));
  word.replaceChildren(...teacher.words.map(({ text }, i) => make("option", [text], { value: String(i) })));
  word.value = String(apart.indexOf(Math.max(...apart)));
  drawSoftly();
}

function drawSoftly() {
  const temperature = Number(slider.value);
  at("front-temperature-said").textContent = temperature.toFixed(1);
  const bars = Object.entries(answers).flatMap(([who, { logits }]) => {
    const row = logits[Number(word.value)];
    return row ? [soft(who, row, labels, temperature)] : [];
  });
  at("front-soft").replaceChildren(...bars);
}

/** @param {string} text */
function pick(text) {
  box.value = text;
  update();
}

/** Load both models, and let the reader type. */
async function begin() {
  const button = /** @type {HTMLButtonElement} */ (at("front-own"));
  button.disabled = true;
  const seen = new Map();
  try {
    await Promise.all(
      Object.values(readers).map((variant) =>
        source.load(variant, (bytes) => {
          seen.set(variant, bytes);
          at("front-said").textContent = `Loading: ${megabytes([...seen.values()].reduce((sum, part) => sum + part))}`;
        }),
      ),
    );
    box.readOnly = false;
    button.hidden = true;
    at("front-said").textContent = "Both models run in this page. Nothing that you type leaves your device.";
    box.select();
    await update();
  } catch (error) {
    button.disabled = false;
    at("front-said").textContent = `Something failed: ${error instanceof Error ? error.message : error}`;
  }
}

for (const [who, { bytes }] of Object.entries(readers)) at(`front-${who}-size`).textContent = ` ${megabytes(bytes)}`;
for (const { text } of examples) {
  const button = make("button", [text], { type: "button" });
  button.addEventListener("click", () => pick(text));
  at("front-examples").append(button, " ");
}
if (facts.here) {
  const bytes = Object.values(readers).reduce((sum, { download }) => sum + download, facts.runtime?.bytes ?? 0);
  at("front-own").textContent = `Type your own (loads ${megabytes(bytes)})`;
  at("front-own").addEventListener("click", begin);
} else {
  at("front-own").hidden = true;
  at("front-said").textContent = "Recorded answers: this site was built without the models.";
}
at("front-live").hidden = false;
box.addEventListener("input", update);
word.addEventListener("change", drawSoftly);
slider.addEventListener("input", drawSoftly);
pick(examples[examples.length - 1].text);
document.documentElement.dataset.front = "ready";
