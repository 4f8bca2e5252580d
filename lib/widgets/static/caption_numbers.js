// Captions as words: gaps of a sentence, unknown words, and which stored caption is nearest to another.

// Words in lower case; every mark that stands between them is one too. As the tokenizer does in Python.
export const splitWords = (text) => text.toLowerCase().match(/[\p{L}\p{N}_’']+|[^\p{L}\p{N}_\s]/gu) ?? [];

export const sameKey = (text, steps, scale, seed) => `${splitWords(text).join(" ")}|${steps}|${scale}|${seed}`;

// The parts of a sentence in order: words that stand there, and gaps by number. A part in brackets is a list of its own.
export function parse(template) {
  let gap = 0;
  const plain = (text) => (text.match(/\{\}|[^\s{}]+/g) ?? []).map((piece) => (piece === "{}" ? { gap: gap++ } : { word: piece }));
  return template.split(/(\[[^\]]*\])/).flatMap((part) => (part.startsWith("[") ? [{ part: plain(part.slice(1, -1)) }] : plain(part)));
}

export function fill(template, words) { // the sentence with a word in each gap
  const put = (pieces) => pieces.flatMap(({ gap, word, part }) => {
    if (part) return part.some((piece) => piece.gap !== undefined && words[piece.gap] === "") ? [] : put(part);
    return gap === undefined ? [word] : words[gap] ? [words[gap]] : [];
  });
  return put(parse(template)).join(" ");
}

// The word in each gap of a text, or null if the sentence cannot be read so. Gaps of a part that is left out are "".
export function readGaps(template, slots, text) {
  const read = splitWords(text), found = slots.map(() => "");
  const match = (pieces, at, then) => {
    if (!pieces.length) return then(at);
    const [{ gap, word, part }, ...rest] = pieces;
    if (part) {
      if (match([...part, ...rest], at, then)) return true;
      for (const piece of part) if (piece.gap !== undefined) found[piece.gap] = "";
      return part.some((piece) => piece.gap !== undefined && slots[piece.gap].words.includes("")) && match(rest, at, then);
    }
    for (const choice of gap === undefined ? [word] : slots[gap].words) {
      const own = splitWords(choice);
      if (!own.every((w, i) => w === read[at + i])) continue;
      if (gap !== undefined) found[gap] = choice;
      if (match(rest, at + own.length, then)) return true;
    }
    return false;
  };
  return match(parse(template), 0, (at) => at === read.length) ? found : null;
}

// The words of all gaps after one was chosen. A gap of a part that was left out takes the word that it had before.
export const withWord = (slots, found, before, chosen, word) =>
  found.map((own, i) => (i === chosen ? word : own === "" && !slots[i].words.includes("") ? before[i] : own));

export const unknownWords = (text, vocabulary) =>
  (vocabulary.length ? [...new Set(splitWords(text))].filter((word) => !vocabulary.includes(word)) : []);

// Fewest words put in, taken out or exchanged on the way from one caption to another; `kept`: words of the other that stay.
export function wordChanges(one, other) {
  const cost = Array.from({ length: one.length + 1 }, (_, i) => Array.from({ length: other.length + 1 }, (_, j) => (i && j ? 0 : i + j)));
  for (let i = 1; i <= one.length; i++) {
    for (let j = 1; j <= other.length; j++) {
      cost[i][j] = Math.min(cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1));
    }
  }
  const kept = other.map(() => false);
  for (let i = one.length, j = other.length; i && j;) {
    const same = one[i - 1] === other[j - 1];
    if (cost[i][j] === cost[i - 1][j - 1] + (same ? 0 : 1)) { kept[j - 1] = same; i--; j--; } else if (cost[i][j] === cost[i - 1][j] + 1) i--;
    else j--;
  }
  return { count: cost[one.length][other.length], kept };
}

// The stored answers nearest to what is wanted: fewest changed words, then the nearest steps and scale, then the same
// seed, then as stored. Of each other caption only its best settings.
export function nearest(stored, wanted, count) {
  const words = splitWords(wanted.text);
  const far = stored.map((one, index) => ({ index, one, ...wordChanges(words, splitWords(one.text)),
    seed: Number(one.seed !== wanted.seed),
    apart: ["steps", "scale"].reduce((sum, name) => sum + Math.abs(Math.log((one[name] + 1) / (wanted[name] + 1))), 0) }));
  far.sort((a, b) => a.count - b.count || a.apart - b.apart || a.seed - b.seed || a.index - b.index);
  const seen = new Set();
  const fresh = ({ one, count: changes }) => {
    const name = splitWords(one.text).join(" ");
    return changes === 0 || (!seen.has(name) && seen.add(name));
  };
  const found = far.filter(fresh);
  return (found[0]?.count === 0 ? found.filter((one) => one.count === 0) : found).slice(0, count);
}

// The map of one word at one step, or the mean over some: shares of its brightest place, and how much that is. Bytes of
// a step are shares of `peak`. One step is left on the scale of the whole walk, so that steps can be compared.
export function wordMap(at, steps, size, peak) {
  const sum = new Float64Array(size);
  for (const step of steps) { const bytes = at(step); for (let i = 0; i < size; i++) sum[i] += bytes[i] / (255 * steps.length); }
  const top = sum.reduce((a, b) => Math.max(a, b), 0), scale = steps.length > 1 && top > 0 ? top : 1;
  return { weight: sum.map((v) => Math.min(1, v / scale)), peak: top * peak };
}
