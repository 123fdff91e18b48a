/** The page "The microscope": what the reader does, and what is drawn anew for it. */

import { showBroken } from "./broken.js";
import { showCascade } from "./cascade.js";
import { at, KINDS, make, marked, megabytes, tags } from "./draw.js";
import { facts as read } from "./facts.js";
import { showDisagreement, showVariants } from "./variants.js";
import { showSoftly } from "./softly.js";
import { Source } from "./source.js";
import { entities, slice } from "./text.js";

/** @typedef {import("./facts.js").Variant} Variant */
/** @typedef {import("./tagger.js").Answer} Answer */

const REST = 1000; // milliseconds without a key until the sentence counts as written
const KEPT = 20; // sentences of the reader that the cascade remembers

const facts = await read();
const { variants, labels, examples, sentences } = facts;
const teacher = variants[0];
const source = new Source(facts);
const box = /** @type {HTMLTextAreaElement} */ (at("ms-text"));
const slider = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (at(id));
let chosen = variants[variants.length - 1];
let wanted = chosen; // the reader's last choice, which may still be on its way
/** @type {Map<Variant, number>} how many bytes have come of each variant that is on its way */
const coming = new Map();
/** @type {string[]} */
let written = [];
/** @type {Answer | null} */
let student = null;
/** @type {(Answer | null)[]} */
let everybody = [];
let busy = false;
let late = false;
let drawing = 0;
/** @type {ReturnType<typeof setTimeout>} */
let resting;

/** Ask the student, then the others; of what is typed meanwhile, only the last state counts. */
async function update() {
  clearTimeout(resting);
  late = true;
  if (busy) return;
  busy = true;
  while (late) {
    late = false;
    await answer(box.value).catch(complain);
  }
  busy = false;
}

/** @param {string} text */
async function answer(text) {
  if (source.lost.has(chosen.key)) await load(chosen);
  student = await source.answer(chosen, text);
  everybody = [];
  if (!student) return;
  drawNames(text, student, await source.answer(teacher, text));
  for (const variant of variants) {
    if (late) return;
    everybody.push(variant === chosen ? student : await source.answer(variant, text));
  }
  if (!late) drawRest();
}

/**
 * Both models' names, and where the models differ.
 * @param {string} text
 * @param {Answer} mine
 * @param {Answer | null} theirs
 */
function drawNames(text, mine, theirs) {
  const [said, right] = [mine, theirs ?? mine].map((answer) => tags(answer, labels));
  const differs = said.map((tag, i) => tag !== right[i]);
  const count = differs.filter(Boolean).length;
  at("ms-names").replaceChildren(...marked(text, mine.words, said, differs));
  at("ms-teacher-names").replaceChildren(...(theirs ? marked(text, theirs.words, right, differs) : []));
  at("ms-teacher-line").hidden = Boolean(theirs);
  at("ms-teacher-numbers").textContent = numbers(teacher, theirs);
  at("ms-numbers").textContent = numbers(chosen, mine);
  const result = count ? `They differ on ${count} of ${said.length} words.` : "They agree on every word.";
  at("ms-agree").textContent = theirs && said.length ? result : "";
}

/**
 * @param {Variant} variant
 * @param {Answer | null} answer
 */
function numbers(variant, answer) {
  const pace = source.pace(variant);
  const live = pace ? `, ${pace.toFixed(1)} ms per sentence` : "";
  const how = source.loaded.has(variant.key) ? live : answer ? ", recorded" : "";
  return `${variant.name}: ${megabytes(variant.bytes)}${how}`;
}

function drawRest() {
  drawSoftly();
  drawVariants();
  showDisagreement(variants, everybody, labels);
  drawCascade();
  resting = setTimeout(rest, REST);
}

function drawVariants() {
  showVariants(source, wanted.key, choose, bring);
}

function drawSoftly() {
  const temperature = Number(slider("ms-temperature").value);
  at("ms-temperature-said").textContent = temperature.toFixed(1);
  if (student) showSoftly(everybody[0] ?? null, student, labels, temperature, slider("ms-all").checked);
}

function drawCascade() {
  const threshold = Number(slider("ms-threshold").value);
  at("ms-threshold-said").textContent = threshold.toFixed(2);
  weighCascade(++drawing, threshold).catch(complain);
}

/**
 * @param {number} mine  the number of this drawing
 * @param {number} threshold
 */
async function weighCascade(mine, threshold) {
  const texts = [...new Set([box.value.trim(), ...written, ...sentences.map(({ text }) => text)])];
  const known = [];
  for (const text of texts) {
    const said = source.remembered(chosen, text) ?? (await source.answer(chosen, text));
    const theirs = source.remembered(teacher, text) ?? (await source.answer(teacher, text));
    if (mine !== drawing) return; // the slider has moved on
    if (said?.words.length) known.push({ text, student: said, teacher: theirs });
  }
  showCascade(known, teacher, chosen, threshold, /** @type {HTMLSelectElement} */ (at("ms-by")).value, labels);
}

/** The reader has stopped writing: tell the screen reader once, and keep the sentence for the cascade. */
function rest() {
  const text = box.value.trim();
  if (!student || !text) return;
  const found = entities(tags(student, labels)).map(([type, first, last]) => {
    const words = /** @type {Answer} */ (student).words;
    return `${slice(box.value, words[first].start, words[last - 1].end)}, ${KINDS[/** @type {keyof typeof KINDS} */ (type)] ?? type}`;
  });
  const said = `${found.length || "No"} ${found.length === 1 ? "name" : "names"}${found.length ? `: ${found.join("; ")}` : ""}.`;
  say("ms-told", `${said} ${at("ms-agree").textContent}`.trim());
  if (!written.includes(text) && !source.recorded.has(text)) written = [text, ...written].slice(0, KEPT);
}

/**
 * Write into a part of the page that is read out, unless it stands there already.
 * @param {string} id
 * @param {string} said
 */
function say(id, said) {
  if (at(id).textContent !== said) at(id).textContent = said;
}

/**
 * Take another variant as the student: of those that the reader chooses while files come, the last one.
 * @param {Variant} variant
 */
async function choose(variant) {
  wanted = variant;
  if (facts.here) await load(variant);
  if (wanted === variant) {
    if (!facts.here || source.loaded.has(variant.key)) chosen = variant;
    else wanted = chosen;
  }
  drawVariants();
  await update();
}

/** @param {Variant} variant */
async function bring(variant) {
  await load(variant);
  drawVariants();
  await update();
}

/**
 * Load a variant, unless it is there. That it failed is told, not thrown.
 * @param {Variant} variant
 */
async function load(variant) {
  if (source.loaded.has(variant.key)) return;
  if (!coming.has(variant)) {
    at("ms-notice").hidden = true; // it tells of an earlier failure
    document.activeElement?.closest(".ms-panel")?.append(at("ms-loading")); // the bar appears where the reader is
    coming.set(variant, 0);
    drawLoading("");
  }
  let ended = "";
  try {
    await source.load(variant, (bytes) => {
      coming.set(variant, bytes);
      drawBar();
    });
    ended = `Loaded: ${variant.name}.`;
  } catch (error) {
    complain(error);
  }
  coming.delete(variant);
  drawLoading(ended);
}

/**
 * A load has begun or ended: say so, and what is on its way now.
 * @param {string} ended
 */
function drawLoading(ended) {
  const names = Array.from(coming.keys(), (variant) => `${variant.name} (${megabytes(variant.bytes)})`).join(" and ");
  const said = [ended, names && `Loading ${names}`].filter(Boolean).join(" ");
  at("ms-loading").hidden = !said;
  say("ms-loading-said", said);
  drawBar();
}

/** One bar for all that is on its way. */
function drawBar() {
  const bar = /** @type {HTMLProgressElement} */ (at("ms-progress"));
  bar.hidden = !coming.size;
  bar.max = [...coming.keys()].reduce((sum, { bytes }) => sum + bytes, 0) || 1;
  bar.value = [...coming.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** @param {unknown} error */
function complain(error) {
  at("ms-notice").hidden = false;
  say("ms-notice", `Something failed: ${error instanceof Error ? error.message : error}`);
  drawVariants(); // with the worker, all that it had loaded may be gone
}

/** @param {string} text */
function pick(text) {
  box.value = text;
  update();
}

/** @param {string} text */
function pickFromBelow(text) {
  pick(text);
  at("microscope").scrollIntoView();
  box.focus({ preventScroll: true });
}

function begin() {
  at("ms-static").hidden = true;
  at("microscope").hidden = false;
  for (const part of document.querySelectorAll(".ms-part")) /** @type {HTMLElement} */ (part).hidden = false;
  examples.forEach(({ text }, i) => {
    const button = make("button", [i < examples.length - 1 ? text : `A trap, each name is two things: ${text}`], { type: "button" });
    button.addEventListener("click", () => pick(text));
    at("ms-examples").append(button);
  });
  const select = /** @type {HTMLSelectElement} */ (at("ms-test"));
  for (const { text, broken } of sentences) if (!broken) select.append(make("option", [text], { value: text }));
  select.addEventListener("change", () => select.value && pick(select.value));
  box.addEventListener("input", update);
  slider("ms-temperature").addEventListener("input", drawSoftly);
  slider("ms-all").addEventListener("change", drawSoftly);
  slider("ms-threshold").addEventListener("input", drawCascade);
  at("ms-by").addEventListener("change", drawCascade);
  showBroken(source, pickFromBelow);
  drawVariants();
  const button = at("ms-teacher");
  button.textContent = `Load the teacher (${megabytes(teacher.bytes)})`;
  button.addEventListener("click", () => bring(teacher));
}

begin();
if (!facts.here) {
  box.readOnly = true;
  at("ms-notice").hidden = false;
  at("ms-notice").textContent =
    "This site was built without the models, so it shows recorded answers: pick a sentence. To type your own, run " +
    "“make book” where you have the course, and open the site that it builds.";
}
box.value = examples[0].text;
await update();
if (facts.here) await bring(chosen);
document.documentElement.dataset.microscope = "ready";
