// The numbers behind the reverse scrubber: a recorded chain rebuilt from its estimates of x_0 and the seed of its noise.
import { normals } from "./portable_noise.js";

// Undo the packing: every step was stored as its difference to the step before, modulo 256.
export function unfilter(bytes, frame) { // frame: bytes of one step
  const out = Uint8Array.from(bytes);
  for (let i = frame; i < out.length; i++) out[i] += out[i - frame];
  return out;
}

// What x_0_hat and x_t are multiplied by on the way from one level to the next cleaner one, and the noise that is added.
export function stepCoefficients(above, below) { // alpha-bar of the two levels; 1 is the end
  const alpha = above / below;
  return {
    toX0: (Math.sqrt(below) * (1 - alpha)) / (1 - above),
    toXt: (Math.sqrt(alpha) * (1 - below)) / (1 - above),
    sigma: Math.sqrt(((1 - below) / (1 - above)) * (1 - alpha)),
  };
}

export const toUnit = (byte) => byte / 127.5 - 1;

// Every state of one chain: x_T, …, x_0, one array each. `pixels`: estimates of x_0, step after step.
export function rebuild(pixels, alphaBar, seed, sample) {
  const steps = alphaBar.length - 1, n = pixels.length / steps;
  let x = normals(n, seed, 1000 * sample);
  const states = [Float32Array.from(x)];
  for (let k = 0; k < steps; k++) {
    const { toX0, toXt, sigma } = stepCoefficients(alphaBar[k], alphaBar[k + 1]), isLast = k === steps - 1;
    const z = isLast ? null : normals(n, seed, 1000 * sample + k + 1), next = new Float64Array(n);
    for (let i = 0; i < n; i++) next[i] = toX0 * toUnit(pixels[k * n + i]) + toXt * x[i] + (isLast ? 0 : sigma * z[i]);
    x = next;
    states.push(Float32Array.from(x));
  }
  return states;
}

export function epsHat(x, x0Hat, alphaBar) { // the noise that an estimate of x_0 amounts to
  const signal = Math.sqrt(alphaBar), noise = Math.sqrt(1 - alphaBar);
  return Float32Array.from(x, (v, i) => (v - signal * x0Hat[i]) / noise);
}

export const norm = (x) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

// How close two pictures in [-1, 1] are, in decibels: infinite when they are equal.
export function psnr(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] - y[i]) ** 2;
  return 10 * Math.log10((4 * x.length) / sum);
}
