/** The ladder: what each variant weighs, how fast it is here, and where the variants disagree. */

import { at, fill, make, megabytes, percent, tags } from "./draw.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./facts.js").Variant} Variant */
/** @typedef {import("./tagger.js").Answer} Answer */

/**
 * The table of the variants, with a choice and a button each.
 * @param {Source} source
 * @param {string} chosen  a key
 * @param {(variant: Variant) => void} choose
 * @param {(variant: Variant) => void} load
 */
export function showVariants(source, chosen, choose, load) {
  const { variants, here } = source.facts;
  const focused = document.activeElement?.id;
  const [teacher] = variants;
  const whole = ["teacher, 32 bits (not on this page)", megabytes(4 * teacher.parameters), "–", "–", "–", "–", "–"];
  const rows = variants.map((variant) => {
    const input = make("input", [], { type: "radio", name: "ms-variant", id: `ms-variant-${variant.key}`, value: variant.key });
    /** @type {HTMLInputElement} */ (input).checked = variant.key === chosen;
    input.addEventListener("change", () => choose(variant));
    const pace = source.pace(variant);
    const button = make("button", ["load"], { type: "button", id: `ms-load-${variant.key}`, "aria-label": `load ${variant.name}` });
    button.addEventListener("click", () => load(variant));
    const waits = here && !source.loaded.has(variant.key);
    const speed = waits ? button : pace ? `${pace.toFixed(1)} ms` : here ? "ready" : "–";
    return [
      make("label", [input, ` ${variant.name}`]),
      megabytes(variant.bytes),
      variant.entity_f1.toFixed(3),
      percent(variant.entity_f1 / teacher.entity_f1, 1),
      variant.everyday_f1.toFixed(3),
      percent(variant.differs, 1),
      speed,
    ];
  });
  fill(at("ms-variants"), [whole, ...rows]);
  if (focused?.startsWith("ms-variant-") || focused?.startsWith("ms-load-")) document.getElementById(focused)?.focus();
}

/**
 * The words of the sentence that the variants label differently.
 * @param {Variant[]} variants
 * @param {(Answer | null)[]} answers  in the order of the variants
 * @param {string[]} labels
 */
export function showDisagreement(variants, answers, labels) {
  /** @type {{variant: Variant, answer: Answer}[]} */
  const known = variants.flatMap((variant, i) => (answers[i] ? [{ variant, answer: /** @type {Answer} */ (answers[i]) }] : []));
  const columns = known.map(({ answer }) => tags(answer, labels));
  const words = known[0]?.answer.words ?? [];
  const rows = words.flatMap(({ text }, i) => {
    const said = columns.map((column) => column[i]);
    return new Set(said).size > 1 ? [[text, ...said]] : [];
  });
  const heads = known.map(({ variant }) => make("th", [variant.name], { scope: "col" }));
  at("ms-differ-head").replaceChildren(make("tr", [make("th", ["word"], { scope: "col" }), ...heads]));
  fill(at("ms-differ"), rows);
  at("ms-differ-table").hidden = !rows.length;
  const who = `The ${known.length} variants${known.length < variants.length ? " that have read it" : ""}`;
  at("ms-differ-said").textContent =
    known.length < 2
      ? "Only one variant has read this sentence. Load another, or pick a sentence of the test split."
      : rows.length
        ? `${who} differ on ${rows.length} of ${words.length} words:`
        : `${who} give each of the ${words.length} words the same label.`;
}
