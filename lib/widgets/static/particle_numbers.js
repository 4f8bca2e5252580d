// The numbers behind the particles: exact score and denoiser of points and of Gaussian mixtures in the plane, and the steps
// that use them. Positions are flat arrays x1, y1, x2, y2, …

// Data as they arrive from Python: { points: flat array } or { weights, means, covs }, covs as xx, xy, yy of each.

function pointsModel(points) { // a softmax over squared distances
  const count = points.length / 2, distance = new Float64Array(count);
  return (alphaBar) => {
    const signal = Math.sqrt(alphaBar), half = -0.5 / (1 - alphaBar);
    return (x, y, out, at) => {
      let best = -Infinity, sum = 0, sx = 0, sy = 0;
      for (let i = 0; i < count; i++) {
        const dx = x - signal * points[2 * i], dy = y - signal * points[2 * i + 1];
        distance[i] = half * (dx * dx + dy * dy);
        if (distance[i] > best) best = distance[i];
      }
      for (let i = 0; i < count; i++) {
        if (distance[i] < best - 40) continue; // e^-40: nothing to a sum that holds a 1
        const w = Math.exp(distance[i] - best);
        sum += w; sx += w * points[2 * i]; sy += w * points[2 * i + 1];
      }
      out[at] = sx / sum; out[at + 1] = sy / sum;
    };
  };
}

function mixtureModel({ weights, means, covs }) { // each Gaussian by its own linear rule, weighted by its share
  const count = weights.length;
  return (alphaBar) => {
    const signal = Math.sqrt(alphaBar), noise = 1 - alphaBar;
    const parts = Array.from({ length: count }, (_, k) => {
      const [xx, xy, yy] = covs.slice(3 * k, 3 * k + 3);
      const a = alphaBar * xx + noise, b = alphaBar * xy, c = alphaBar * yy + noise, det = a * c - b * b;
      return { mx: signal * means[2 * k], my: signal * means[2 * k + 1], xx, xy, yy, ia: c / det, ib: -b / det, ic: a / det,
        log: Math.log(weights[k]) - 0.5 * Math.log(det), x0: means[2 * k], y0: means[2 * k + 1] };
    });
    const logs = new Float64Array(count), px = new Float64Array(count), py = new Float64Array(count);
    return (x, y, out, at) => {
      let best = -Infinity, sum = 0, sx = 0, sy = 0;
      parts.forEach((p, k) => {
        const dx = x - p.mx, dy = y - p.my;
        px[k] = p.ia * dx + p.ib * dy; py[k] = p.ib * dx + p.ic * dy; // inverse covariance times the way from the mean
        logs[k] = p.log - 0.5 * (dx * px[k] + dy * py[k]);
        if (logs[k] > best) best = logs[k];
      });
      parts.forEach((p, k) => {
        const w = Math.exp(logs[k] - best);
        sum += w;
        sx += w * (p.x0 + signal * (p.xx * px[k] + p.xy * py[k]));
        sy += w * (p.y0 + signal * (p.xy * px[k] + p.yy * py[k]));
      });
      out[at] = sx / sum; out[at + 1] = sy / sum;
    };
  };
}

// E[x_0 | x_t] of every position: denoiser(data)(alphaBar)(positions) is a new array.
export function denoiser(data) {
  const model = data.points ? pointsModel(data.points) : mixtureModel(data);
  return (alphaBar) => {
    const one = model(alphaBar);
    return (x) => {
      const out = new Float64Array(x.length);
      for (let i = 0; i < x.length; i += 2) one(x[i], x[i + 1], out, i);
      return out;
    };
  };
}

// Gradient of the log density at one level of noise, by Tweedie's formula.
export function score(denoise, alphaBar, x) {
  const x0 = denoise(alphaBar)(x), signal = Math.sqrt(alphaBar);
  return Float64Array.from(x, (v, i) => (signal * x0[i] - v) / (1 - alphaBar));
}

// From level s to the noisier level t in one move: z is fresh noise.
export function forwardStep(x, above, below, z) {
  const alpha = above / below, signal = Math.sqrt(alpha), noise = Math.sqrt(1 - alpha);
  return x.map((v, i) => signal * v + noise * z[i]);
}

// Mean of x_s given x_t when the denoiser's guess stands for x_0, and the standard deviation around it.
export function backwardMean(denoise, x, above, below) {
  const x0 = denoise(above)(x), alpha = above / below;
  const toX0 = (Math.sqrt(below) * (1 - alpha)) / (1 - above), toXt = (Math.sqrt(alpha) * (1 - below)) / (1 - above);
  const sigma = Math.sqrt(((1 - below) / (1 - above)) * (1 - alpha));
  return { mean: x.map((v, i) => toX0 * x0[i] + toXt * v), sigma };
}

export function backwardStep(denoise, x, above, below, z) {
  const { mean, sigma } = backwardMean(denoise, x, above, below);
  return mean.map((v, i) => v + sigma * z[i]);
}

export function langevinStep(denoise, x, alphaBar, size, z) { // half a step uphill, and noise of variance `size`
  const uphill = score(denoise, alphaBar, x), noise = Math.sqrt(size);
  return x.map((v, i) => v + (size / 2) * uphill[i] + noise * z[i]);
}
