/** The ladder: what each rung weighs, how fast it is here, and where the rungs disagree. */

import { at, fill, make, megabytes, percent, tags } from "./draw.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./facts.js").Rung} Rung */
/** @typedef {import("./tagger.js").Answer} Answer */

/**
 * The table of the rungs, with a choice and a button each.
 * @param {Source} source
 * @param {string} chosen  a key
 * @param {(rung: Rung) => void} choose
 * @param {(rung: Rung) => void} load
 */
export function showRungs(source, chosen, choose, load) {
  const { rungs, here } = source.facts;
  const focused = document.activeElement?.id;
  const rows = rungs.map((rung) => {
    const input = make("input", [], { type: "radio", name: "ms-rung", id: `ms-rung-${rung.key}`, value: rung.key });
    /** @type {HTMLInputElement} */ (input).checked = rung.key === chosen;
    input.addEventListener("change", () => choose(rung));
    const pace = source.pace(rung);
    const button = make("button", ["load"], { type: "button", id: `ms-load-${rung.key}`, "aria-label": `load ${rung.name}` });
    button.addEventListener("click", () => load(rung));
    const waits = here && !source.loaded.has(rung.key);
    const speed = waits ? button : pace ? `${pace.toFixed(1)} ms` : here ? "ready" : "–";
    return [
      make("label", [input, ` ${rung.name}`]),
      megabytes(rung.bytes),
      rung.entity_f1.toFixed(3),
      percent(rung.entity_f1 / rungs[0].entity_f1, 1),
      percent(rung.differs, 1),
      speed,
    ];
  });
  fill(at("ms-rungs"), rows);
  if (focused?.startsWith("ms-rung-") || focused?.startsWith("ms-load-")) document.getElementById(focused)?.focus();
}

/**
 * The words of the sentence that the rungs label differently.
 * @param {Rung[]} rungs
 * @param {(Answer | null)[]} answers  in the order of the rungs
 * @param {string[]} labels
 */
export function showDisagreement(rungs, answers, labels) {
  /** @type {{rung: Rung, answer: Answer}[]} */
  const known = rungs.flatMap((rung, i) => (answers[i] ? [{ rung, answer: /** @type {Answer} */ (answers[i]) }] : []));
  const columns = known.map(({ answer }) => tags(answer, labels));
  const words = known[0]?.answer.words ?? [];
  const rows = words.flatMap(({ text }, i) => {
    const said = columns.map((column) => column[i]);
    return new Set(said).size > 1 ? [[text, ...said]] : [];
  });
  const heads = known.map(({ rung }) => make("th", [rung.name], { scope: "col" }));
  at("ms-differ-head").replaceChildren(make("tr", [make("th", ["word"], { scope: "col" }), ...heads]));
  fill(at("ms-differ"), rows);
  at("ms-differ-table").hidden = !rows.length;
  const who = `The ${known.length} rungs${known.length < rungs.length ? " that have read it" : ""}`;
  at("ms-differ-said").textContent =
    known.length < 2
      ? "Only one rung has read this sentence. Load another, or pick a sentence of the test split."
      : rows.length
        ? `${who} differ on ${rows.length} of ${words.length} words:`
        : `${who} give each of the ${words.length} words the same label.`;
}
