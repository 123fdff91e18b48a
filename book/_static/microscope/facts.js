/**
 * What `tools/build_microscope.py` writes into `microscope.json`.
 *
 * @typedef {object} Variant  a model of the ladder
 * @property {string} key
 * @property {string} name
 * @property {string} folder  beside this file
 * @property {string} graph  the ONNX file in it
 * @property {Record<string, string>} files  SHA-256 by name
 * @property {number} bytes  of the graph
 * @property {number} download  bytes of all its files; 0 where they are not beside this page
 * @property {number} parameters
 * @property {number} entity_f1  on the test split of newswire
 * @property {number} everyday_f1  on sentences of every day that no model was trained on
 * @property {number} differs  the share of the test words that it labels otherwise than the first variant
 * @property {{width: number, attention: number[], neurons: number[], rank: number, classes: number}} shape
 *
 * @typedef {object} Example  a sentence with the answers that were recorded
 * @property {string} text
 * @property {Record<string, {lengths: number[], logits: number[][]}>} answers  by variant
 *
 * @typedef {Example & {gold: string[], broken: boolean}} Sentence  of the test split; `gold` has a label a word, and it is
 *   `broken` if the smallest variant errs and the first does not
 *
 * @typedef {object} Facts
 * @property {boolean} here  whether the models are beside this page
 * @property {{file: string, sha256: string, bytes: number} | null} runtime
 * @property {string[]} labels
 * @property {Variant[]} variants  from the teacher down
 * @property {number} fails_alone  sentences of the test split, of 6 to 24 words, on which the smallest variant errs and the first does not
 * @property {Example[]} examples  written for the first page, the last one a trap
 * @property {Sentence[]} sentences
 */

/** @returns {Promise<Facts>} */
export async function facts() {
  const response = await fetch(new URL("microscope.json", import.meta.url));
  if (!response.ok) throw new Error(`microscope.json: the server says ${response.status}`);
  return response.json();
}
