/** Sentences of the test split on which the smallest variant errs and the teacher does not. Found by code, not chosen. */

import { at, make, tags } from "./draw.js";
import { entities, slice } from "./text.js";

/** @typedef {import("./source.js").Source} Source */

/**
 * @param {Source} source
 * @param {(text: string) => void} pick
 */
export function showBroken(source, pick) {
  const { sentences, variants, labels } = source.facts;
  const smallest = variants[variants.length - 1];
  const items = sentences.flatMap(({ text, gold, broken }) => {
    const said = broken && source.remembered(smallest, text);
    if (!said) return [];
    const name = (/** @type {[string, number, number]} */ [type, first, last]) =>
      `${slice(text, said.words[first].start, said.words[last - 1].end)} ${type}`;
    const right = entities(gold).map(name);
    const found = entities(tags(said, labels)).map(name);
    const missed = right.filter((one) => !found.includes(one));
    const wrong = found.filter((one) => !right.includes(one));
    const button = make("button", [text], { type: "button" });
    button.addEventListener("click", () => pick(text));
    const told = missed.length
      ? `Right: ${missed.join(", ")}. The student: ${wrong.join(", ") || "no name there"}.`
      : `No name, but the student takes it for one: ${wrong.join(", ")}.`;
    return [make("li", [button, make("span.ms-told", [told])])];
  });
  at("ms-broken").replaceChildren(...items);
  at("ms-broken-said").textContent = `The test split has ${source.facts.fails_alone} such sentences; here are ${items.length} of them.`;
}
