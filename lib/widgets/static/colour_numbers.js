// Numbers as colours: the same formulas as in sheets.py, and a ramp from no attention to the most.
const COLD = [33, 102, 172], WARM = [178, 74, 12];
const GLOW = [[28, 24, 48], [108, 30, 110], [196, 60, 78], [246, 140, 36], [252, 236, 150]];
const SHADE = [0.2, 0.18, 0.34];

// Signed numbers: white at 0, full colour from `limit` on, blue below and orange above; bytes r, g, b, 255.
export function diverging(values, limit) {
  const out = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const share = Math.min(1, Math.abs(values[i]) / limit), end = values[i] < 0 ? COLD : WARM;
    for (let c = 0; c < 3; c++) out[4 * i + c] = Math.floor(255 + (end[c] - 255) * share + 0.5);
    out[4 * i + 3] = 255;
  }
  return out;
}

// The colour of a share of attention, 0 to 1.
export function glow(share, c) {
  const at = share * (GLOW.length - 1), low = Math.min(Math.floor(at), GLOW.length - 2);
  return GLOW[low][c] + (at - low) * (GLOW[low + 1][c] - GLOW[low][c]);
}

export function glowing(weight) { // a map alone
  const out = new Uint8ClampedArray(4 * weight.length);
  for (let i = 0; i < weight.length; i++) {
    for (let c = 0; c < 3; c++) out[4 * i + c] = Math.floor(glow(weight[i], c) + 0.5);
    out[4 * i + 3] = 255;
  }
  return out;
}

// A map laid over a picture (r, g, b, a): light falls where the weight is near 1, the rest lies in the shade.
export function overlay(pixels, [height, width], weight, [rows, columns]) {
  const out = new Uint8ClampedArray(pixels.length), down = height / rows, across = width / columns;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = 4 * (y * width + x), share = weight[Math.floor(y / down) * columns + Math.floor(x / across)];
      for (let c = 0; c < 3; c++) out[i + c] = Math.floor(pixels[i + c] * (SHADE[c] + (1 - SHADE[c]) * share) + 0.5);
      out[i + 3] = 255;
    }
  }
  return out;
}
