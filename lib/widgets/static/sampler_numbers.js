// The numbers behind deterministic and noisy walks from x_T to x_0: levels to visit, one step, the fine path, guidance.
// Positions are flat arrays x1, y1, x2, y2, …; alphaBar has T + 1 entries and begins with 1.
import { denoiser } from "./particle_numbers.js";

// ---- rising levels to visit, as lib.ddim.subsequences

const upTo = (S, f) => Array.from({ length: S }, (_, i) => f(i + 1));
function nearest(a, b) { // a / b to the nearest whole number, halves to the even one
  const low = Math.floor(a / b), rest = 2 * (a - low * b) - b;
  return rest > 0 || (rest === 0 && low % 2 === 1) ? low + 1 : low;
}

export const SPACINGS = {
  evenly: (T, S) => upTo(S, (i) => Math.floor((i * T) / S)),
  quadratic: (T, S) => upTo(S, (i) => Math.max(i, Math.floor((T * i * i) / (S * S)))),
  leading: (T, S) => upTo(S, (i) => (i - 1) * Math.floor(T / S) + 1),
  trailing: (T, S) => upTo(S, (i) => nearest(i * T, S)),
};

// ---- one step from level t to the cleaner level s; above and below are alpha-bar of the two

export function stepBack(x, x0, above, below, { eta = 0, sigmaHat = false } = {}, z = null) {
  const share = sigmaHat ? 1 : eta, variance = ((1 - below) / (1 - above)) * (1 - above / below); // of DDPM
  const std = sigmaHat ? (below < 1 ? Math.sqrt(1 - above / below) : 0) : eta * Math.sqrt(variance);
  const room = Math.sqrt(Math.max(0, 1 - below - share * share * variance));
  const signal = Math.sqrt(above), noise = Math.sqrt(1 - above), next = Math.sqrt(below);
  return x.map((v, i) => next * x0[i] + (room * (v - signal * x0[i])) / noise + (std > 0 ? std * z[i] : 0));
}

// Every state from x_T down to x_0, one for each level and one for the end; noise(k) is drawn where a step needs it.
export function walk(denoise, alphaBar, levels, xT, options = {}, noise = null) {
  const falling = [...levels].reverse(), noisy = options.sigmaHat || options.eta > 0, states = [xT];
  falling.forEach((t, k) => {
    const x = states[k], s = falling[k + 1] ?? 0, z = noisy && s > 0 ? noise(k) : null;
    states.push(stepBack(x, denoise(alphaBar[t])(x), alphaBar[t], alphaBar[s], options, z));
  });
  return states;
}

// The same path without steps to speak of: Heun's method for d x̄ / d σ̄ = eps, where x̄ = x / √ᾱ and σ̄ = √(1-ᾱ) / √ᾱ.
export function finePath(denoise, alphaBar, levels, xT) {
  const falling = [...levels].reverse(), states = [xT];
  const sigma = (t) => Math.sqrt((1 - alphaBar[t]) / alphaBar[t]);
  const slope = (x, t) => {
    const x0 = denoise(alphaBar[t])(x), signal = Math.sqrt(alphaBar[t]), noise = Math.sqrt(1 - alphaBar[t]);
    return x.map((v, i) => (v - signal * x0[i]) / noise);
  };
  falling.forEach((t, k) => {
    const x = states[k], s = falling[k + 1] ?? 0, here = Math.sqrt(alphaBar[t]), there = Math.sqrt(alphaBar[s]);
    const move = sigma(s) - sigma(t), first = slope(x, t), euler = x.map((v, i) => there * (v / here + move * first[i]));
    const second = s > 0 ? slope(euler, s) : first; // at the end the slope is no longer defined
    states.push(x.map((v, i) => there * (v / here + (move * (first[i] + second[i])) / 2)));
  });
  return states;
}

// ---- what is read off

export function meanDistance(a, b) { // between points of the same number
  let sum = 0;
  for (let i = 0; i < a.length; i += 2) sum += Math.hypot(a[i] - b[i], a[i + 1] - b[i + 1]);
  return (2 * sum) / a.length;
}

export function nearestDistance(a, data) { // from each point to the nearest of the data, on average
  let sum = 0;
  for (let i = 0; i < a.length; i += 2) {
    let best = Infinity;
    for (let j = 0; j < data.length; j += 2) best = Math.min(best, (a[i] - data[j]) ** 2 + (a[i + 1] - data[j + 1]) ** 2);
    sum += Math.sqrt(best);
  }
  return (2 * sum) / a.length;
}

export function spread(a) { // standard deviation, both coordinates taken together
  const n = a.length / 2, mean = [0, 0];
  a.forEach((v, i) => { mean[i % 2] += v / n; });
  return Math.sqrt(a.reduce((sum, v, i) => sum + (v - mean[i % 2]) ** 2, 0) / (2 * n));
}

// ---- guidance in a mixture whose components belong to classes

export function restrict({ weights, means, covs }, components) { // one class, with its own weights
  const total = components.reduce((sum, k) => sum + weights[k], 0);
  return { prior: total, weights: components.map((k) => weights[k] / total), means: components.flatMap((k) => means.slice(2 * k, 2 * k + 2)),
    covs: components.flatMap((k) => covs.slice(3 * k, 3 * k + 3)) };
}

// s = 0 is the mixture, s = 1 the class; the shares add up to 1, so clean guess, noise and score are combined alike.
export function guided(all, part, scale) {
  const unconditional = denoiser(all), conditional = denoiser(part);
  return (alphaBar) => (x) => {
    if (scale === 0) return unconditional(alphaBar)(x);
    const c = conditional(alphaBar)(x);
    if (scale === 1) return c;
    return unconditional(alphaBar)(x).map((u, i) => u + scale * (c[i] - u));
  };
}

export function logDensity({ weights, means, covs }, alphaBar) { // of x_t, as a function of one position
  const signal = Math.sqrt(alphaBar), noise = 1 - alphaBar;
  const parts = weights.map((weight, k) => {
    const a = alphaBar * covs[3 * k] + noise, b = alphaBar * covs[3 * k + 1], c = alphaBar * covs[3 * k + 2] + noise, det = a * c - b * b;
    return [signal * means[2 * k], signal * means[2 * k + 1], a / det, b / det, c / det, Math.log(weight / (2 * Math.PI)) - 0.5 * Math.log(det)];
  });
  return (x, y) => {
    const logs = parts.map(([mx, my, a, b, c, log]) => log - 0.5 * (c * (x - mx) ** 2 - 2 * b * (x - mx) * (y - my) + a * (y - my) ** 2));
    const best = Math.max(...logs);
    return best + Math.log(logs.reduce((sum, v) => sum + Math.exp(v - best), 0));
  };
}

// log of q(x_t) q(y | x_t)^scale, up to a constant, as a function of one position.
export function guidedLogDensity(all, part, alphaBar, scale) {
  const whole = logDensity(all, alphaBar), one = logDensity(part, alphaBar);
  return (x, y) => (1 - scale) * whole(x, y) + scale * one(x, y);
}

// Which class each position most likely belongs to, at a level of noise.
export function classOf(parts, alphaBar, x) {
  const logs = parts.map((part) => [Math.log(part.prior), logDensity(part, alphaBar)]), out = [];
  for (let i = 0; i < x.length; i += 2) {
    const values = logs.map(([prior, log]) => prior + log(x[i], x[i + 1]));
    out.push(values.indexOf(Math.max(...values)));
  }
  return out;
}

export function mixtureSpread({ weights, means, covs }) { // what `spread` tends to for many draws
  const mean = [0, 1].map((d) => weights.reduce((sum, w, k) => sum + w * means[2 * k + d], 0));
  return Math.sqrt(weights.reduce((sum, w, k) => sum + (w / 2) * (covs[3 * k] + covs[3 * k + 2]
    + (means[2 * k] - mean[0]) ** 2 + (means[2 * k + 1] - mean[1]) ** 2), 0));
}
