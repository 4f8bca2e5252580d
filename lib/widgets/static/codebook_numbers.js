// The numbers behind the codebook inspector. A codebook is a flat array, code after code; a grid of codes goes row by row.

export const codeVector = (codebook, dim, code) => codebook.subarray(code * dim, (code + 1) * dim);

export function blended(codebook, dim, one, other, weight) { // on the straight line from one code to another
  const a = codeVector(codebook, dim, one), b = codeVector(codebook, dim, other);
  return Float32Array.from(a, (v, i) => (1 - weight) * v + weight * b[i]);
}

export function nearestCode(codebook, dim, vector) { // of equals the lowest index, as in Python
  let index = -1, best = Infinity;
  for (let k = 0; k < codebook.length / dim; k++) {
    let d = 0;
    for (let i = 0; i < dim; i++) d += (codebook[k * dim + i] - vector[i]) ** 2;
    if (d < best) [index, best] = [k, d];
  }
  return { index, distance: Math.sqrt(best) };
}

// The decoder's input, channels first: the vector of the code at every place.
export function embed(codes, codebook, dim) {
  const places = codes.length, out = new Float32Array(dim * places);
  for (let p = 0; p < places; p++) for (let i = 0; i < dim; i++) out[i * places + p] = codebook[codes[p] * dim + i];
  return out;
}

export function putVector(input, place, places, vector) {
  for (let i = 0; i < vector.length; i++) input[i * places + place] = vector[i];
  return input;
}

// Codes from the most used to the least, how many are used at all, and two to the power of the entropy.
export function usage(counts) {
  const total = counts.reduce((a, b) => a + b, 0), order = counts.map((_, k) => k);
  order.sort((a, b) => counts[b] - counts[a] || a - b);
  const rank = [];
  order.forEach((code, place) => { rank[code] = place; });
  const share = counts.map((n) => n / total);
  const entropy = -share.reduce((sum, p) => sum + (p > 0 ? p * Math.log2(p) : 0), 0);
  return { order, rank, share, used: counts.filter((n) => n > 0).length, perplexity: 2 ** entropy };
}
