// The numbers behind the schedule laboratory. Every array has T + 1 entries, indexed by t.

export const MAX_BETA = 0.999;

const fromBetas = (betas) => {
  const out = new Float64Array(betas.length + 1);
  out[0] = 1;
  betas.forEach((beta, i) => { out[i + 1] = out[i] * (1 - beta); });
  return out;
};

const logistic = (x) => 1 / (1 + Math.exp(-x));

// alpha-bar follows a falling function of the share of the time; no beta is above MAX_BETA.
function sampled(f, T) {
  const values = Array.from({ length: T + 1 }, (_, t) => f(t / T));
  return fromBetas(Array.from({ length: T }, (_, i) => Math.min(1 - values[i + 1] / values[i], MAX_BETA)));
}

const CURVES = {
  linear: (T, p) => fromBetas(Array.from({ length: T }, (_, i) => p.beta_start + (p.beta_end - p.beta_start) * (i / (T - 1)))),
  cosine: (T, { s }) => sampled((u) => Math.cos((((u + s) / (1 + s)) * Math.PI) / 2) ** 2, T),
  sigmoid: (T, { start, end, tau }) => {
    const high = logistic(-start / tau), low = logistic(-end / tau);
    return sampled((u) => (logistic(-(start + u * (end - start)) / tau) - low) / (high - low), T);
  },
  drawn: (T, _, drawn) => { // straight lines through values at evenly spaced times
    const values = [1, ...drawn], last = drawn.length;
    return Float64Array.from({ length: T + 1 }, (_, t) => {
      const place = (t / T) * last, left = Math.min(Math.floor(place), last - 1);
      return values[left] + (place - left) * (values[left + 1] - values[left]);
    });
  },
};

export const alphaBar = (kind, T, parameters, drawn) => CURVES[kind](T, parameters, drawn);

export const betaAt = (alphaBar, t) => (t === 0 ? 0 : 1 - alphaBar[t] / alphaBar[t - 1]);
export const logSnrAt = (alphaBar, t) => Math.log(alphaBar[t]) - Math.log1p(-alphaBar[t]); // infinite at t = 0

// Move one drawn value; neighbours in the way are pushed along, so that the values always fall.
export function moveDrawn(drawn, index, value, { low, gap }) {
  const out = [...drawn], last = drawn.length - 1;
  const highest = (i) => 1 - gap * (i + 1), lowest = (i) => low + gap * (last - i);
  const round = (v) => Math.round(v * 1e5) / 1e5;
  out[index] = round(Math.min(highest(index), Math.max(lowest(index), value)));
  for (let i = index - 1; i >= 0; i--) out[i] = Math.max(out[i], round(out[i + 1] + gap));
  for (let i = index + 1; i <= last; i++) out[i] = Math.min(out[i], round(out[i - 1] - gap));
  return out;
}

// Values to begin a drawing with: those of another schedule, kept apart and above the lowest that can be drawn.
export function drawnFrom(schedule, count, { low, gap }) {
  const T = schedule.length - 1, out = [];
  for (let i = 0; i < count; i++) {
    const [lowest, highest] = [low + gap * (count - 1 - i), i ? out[i - 1] - gap : 1 - gap];
    out.push(Math.round(1e5 * Math.min(highest, Math.max(lowest, schedule[Math.round(((i + 1) / count) * T)]))) / 1e5);
  }
  return out;
}

// x_t = sqrt(alpha-bar) x_0 + sqrt(1 - alpha-bar) eps
export function noised(x0, eps, alphaBar, out = new Float32Array(x0.length)) {
  const signal = Math.sqrt(alphaBar), noise = Math.sqrt(1 - alphaBar);
  for (let i = 0; i < x0.length; i++) out[i] = signal * x0[i] + noise * eps[i];
  return out;
}
