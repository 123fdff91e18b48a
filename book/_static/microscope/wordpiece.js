/**
 * BERT's own cutting of a word into pieces: the twin of what the `tokenizers` library does with our `tokenizer.json`.
 */

const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/u; // to BERT every sign of ASCII that is no letter or digit is punctuation
const HAN = /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/u;
const WHITE = /\p{White_Space}/u;
const DROPPED = /(?![\t\n\r])[\ufffd\p{Cc}\p{Cf}\p{Co}]/u; // control characters, invisible marks, private use
const ACCENT = /\p{Mn}/gu;

export class WordPiece {
  /** @param {any} file  the parsed `tokenizer.json` of a BERT that ignores case */
  constructor(file) {
    const { model, normalizer } = file;
    if (model.type !== "WordPiece" || normalizer?.type !== "BertNormalizer" || !normalizer.lowercase) {
      throw new Error(`a ${normalizer?.type} before a ${model.type}: this page reads WordPiece in lower case only`);
    }
    /** @type {Map<string, number>} */
    this.vocabulary = new Map(Object.entries(model.vocab));
    this.mark = model.continuing_subword_prefix;
    this.longest = model.max_input_chars_per_word;
    this.unknown = this.id(model.unk_token);
    this.before = [this.id("[CLS]")];
    this.after = [this.id("[SEP]")];
  }

  /** @param {string} piece */
  id(piece) {
    const found = this.vocabulary.get(piece);
    if (found === undefined) throw new Error(`the vocabulary has no ${piece}`);
    return found;
  }

  /**
   * The piece ids of one word of a text. A word that vanishes, such as a lone accent, is unknown: it needs an answer.
   * @param {string} word
   * @returns {number[]}
   */
  encode(word) {
    const ids = split(normalize(word)).flatMap((part) => this.pieces(part));
    return ids.length ? ids : [this.unknown];
  }

  /**
   * Take the longest piece that fits, again and again; where none fits, the whole part is unknown.
   * @param {string} part  letters without a space
   * @returns {number[]}
   */
  pieces(part) {
    const letters = [...part];
    if (letters.length > this.longest) return [this.unknown];
    const ids = [];
    for (let start = 0, end; start < letters.length; start = end) {
      const mark = start ? this.mark : "";
      let id;
      for (end = letters.length; end > start; end--) {
        id = this.vocabulary.get(mark + letters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.unknown];
      ids.push(id);
    }
    return ids;
  }
}

/**
 * Drop what cannot be seen, set Chinese characters apart, take off the accents, write small.
 * @param {string} word
 */
export function normalize(word) {
  let clean = "";
  for (const letter of word) {
    if (DROPPED.test(letter)) continue;
    if (WHITE.test(letter)) clean += " ";
    else clean += HAN.test(letter) ? ` ${letter} ` : letter;
  }
  // Letter by letter: a capital sigma at the end of a word would become another letter than elsewhere.
  return [...clean.normalize("NFD").replace(ACCENT, "")].map((letter) => letter.toLowerCase()).join("");
}

/**
 * Cut at white space, and before and after each punctuation mark.
 * @param {string} text
 * @returns {string[]}
 */
export function split(text) {
  /** @type {string[]} */
  const parts = [];
  let open = false;
  for (const letter of text) {
    const white = WHITE.test(letter);
    const alone = PUNCTUATION.test(letter);
    if (open && !white && !alone) parts[parts.length - 1] += letter;
    else if (!white) parts.push(letter);
    open = !white && !alone;
  }
  return parts;
}
