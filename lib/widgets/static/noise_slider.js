// The reparameterisation z = mu + sigma eps: noise from a fixed distribution, moved and stretched by mu and sigma.
import { compile } from "./nn.js";
import { asWidget, clamp, decimals, drawPicture, frames, h, listener, show, slider, ticks } from "./ui.js";

// ---- numbers, tested in node

export const sigmaOf = (logvar) => Math.exp(logvar / 2);
export const sampleZ = (mu, logvar, eps) => mu + sigmaOf(logvar) * eps;
// What z does when mu, sigma or log sigma^2 grow a little and eps stays: the gradients that flow back through a sample.
export const gradients = (mu, logvar, eps) => ({ mu: 1, sigma: eps, logvar: (sigmaOf(logvar) * eps) / 2 });
export const density = (x, mu, sigma) => Math.exp(-0.5 * ((x - mu) / sigma) ** 2) / (sigma * Math.sqrt(2 * Math.PI));
export const klToStandardNormal = (mu, logvar) => 0.5 * (mu * mu + Math.exp(logvar) - logvar - 1); // nats

// Mulberry32: 32 bits of state, enough for a figure. The same seed gives the same numbers in every browser.
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// The n-th standard normal number of a seed (n = 0, 1, 2, …), by Box and Muller.
export function normalNumber(seed, n) {
  const next = uniforms(Math.imul(seed, 0x9e3779b1) + n);
  const radius = Math.sqrt(-2 * Math.log(1 - next()));
  return radius * Math.cos(2 * Math.PI * next());
}

// ---- the picture: noise above, codes below, and where each goes

const WIDTH = 440, LEFT = 14, SPAN = WIDTH - 2 * LEFT, LOW = -6, HIGH = 6;
const NOISE = { top: 22, base: 92 }, CODE = { top: 138, base: 268 }, HEIGHT = 330, PAST = 24;
const X = (v) => LEFT + (SPAN * (v - LOW)) / (HIGH - LOW);
const LINE = Array.from({ length: 241 }, (_, i) => LOW + ((HIGH - LOW) * i) / 240);

function curve(mu, sigma, { top, base }, peak, closed) {
  const close = [0, 0.25, 0.5, 1, 1.5, 2, 3].flatMap((k) => [mu - k * sigma, mu + k * sigma]); // for a narrow peak
  const near = close.filter((v) => v > LOW && v < HIGH);
  const points = [...LINE, ...near].sort((a, b) => a - b)
    .map((v) => `${X(v).toFixed(1)},${(base - ((base - top) * density(v, mu, sigma)) / peak).toFixed(1)}`);
  return `M${points.join("L")}${closed ? `L${X(HIGH)},${base}L${X(LOW)},${base}Z` : ""}`;
}

function axis(y, name) {
  const marks = ticks(LOW, HIGH, 6).map((v) => h("g", {},
    h("line", { x1: X(v), x2: X(v), y1: y, y2: y + 4, class: "dw-tickline" }),
    h("text", { x: X(v), y: y + 16, "text-anchor": "middle", class: "dw-tick" }, String(v).replace("-", "\u2212"))));
  return h("g", {}, h("line", { x1: LEFT, x2: WIDTH - LEFT, y1: y, y2: y, class: "dw-tickline" }), ...marks,
    h("text", { x: WIDTH - LEFT, y: y - 6, "text-anchor": "end", class: "dw-axis" }, name));
}

function arrow(className, y, label) {
  const shaft = h("path", { class: `dw-vector ${className}` });
  const text = h("text", { y: y + 4, class: `dw-vector-label ${className}` });
  return { element: h("g", {}, shaft, text), set(from, by, value) {
    const to = clamp(from + by, LOW, HIGH), head = Math.sign(to - from) * Math.min(6, Math.abs(X(to) - X(from)));
    shaft.setAttribute("d", `M${X(from)},${y}H${X(to)}M${X(to) - head},${y - 4}L${X(to)},${y}L${X(to) - head},${y + 4}`);
    text.textContent = `${label} = ${value}`;
    const right = Math.max(X(from), X(to)) + 6 < WIDTH - 90; // write where there is room
    text.setAttribute("x", right ? Math.max(X(from), X(to)) + 6 : Math.min(X(from), X(to)) - 6);
    text.setAttribute("text-anchor", right ? "start" : "end");
  } };
}

function scene() {
  const part = {
    noise: h("path", { class: "dw-area dw-noise" }), code: h("path", { class: "dw-area dw-code" }),
    prior: h("path", { class: "dw-prior" }), past: h("path", { class: "dw-past" }), link: h("path", { class: "dw-link" }),
    dotEps: h("circle", { r: 6, class: "dw-point dw-noise-point" }),
    dotZ: h("circle", { r: 7, class: "dw-point dw-code-point" }),
    byMu: arrow("dw-by-mu", CODE.base + 32, "∂z/∂μ"),
    bySigma: arrow("dw-by-sigma", CODE.base + 50, "∂z/∂σ = ε"),
  };
  part.noise.setAttribute("d", curve(0, 1, NOISE, 0.4, true));
  part.svg = h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "dw-plot dw-noise-plot", role: "img" },
    part.noise, part.prior, part.code, axis(NOISE.base, "ε"), axis(CODE.base, "z"),
    h("text", { x: LEFT, y: NOISE.top, class: "dw-axis" }, "noise ε ~ N(0, 1)"),
    h("text", { x: LEFT, y: CODE.top - 4, class: "dw-axis" }, "code z ~ N(μ, σ²)"),
    h("text", { x: LEFT, y: CODE.top + 13, class: "dw-tick" }, "dotted: the prior N(0, 1)"),
    part.past, part.link, part.dotEps, part.dotZ, part.byMu.element, part.bySigma.element);
  return part;
}

function decoderOf(model) { // the optional network: pictures along origin + z direction
  const entry = model.get("decoder");
  if (!entry.program) return null;
  const network = compile(entry.program, entry.weights, { inputShape: [entry.origin.length] });
  return { shape: entry.shape, at: (z) => network.run(entry.origin.map((v, i) => v + z * entry.direction[i])) };
}

// ---- the widget

function render({ model, el }) {
  const decoder = decoderOf(model), draw = scene(), past = [], seed = model.get("seed");
  const out = h("output", { class: "dw-readout dw-formula-line", "aria-live": "off" });
  const done = () => model.save_changes(), change = (name) => (v) => model.set(name, v);
  const controls = {
    mu: slider({ label: "μ", min: -3, max: 3, step: 0.05, onInput: change("mu"), onDone: done }),
    logvar: slider({ label: "log σ²", min: -6, max: 2, step: 0.05, onInput: change("logvar"), onDone: done }),
    eps: slider({ label: "ε", min: -3.5, max: 3.5, step: 0.05, onInput: change("eps"), onDone: done }),
  };
  const remember = (eps) => { past.push(eps); if (past.length > PAST) past.shift(); };
  const button = h("button", { type: "button", class: "dw-button", onclick: () => {
    const n = model.get("draws");
    remember(model.get("eps"));
    model.set("draws", n + 1);
    model.set("eps", clamp(Math.round(1000 * normalNumber(seed, n)) / 1000, -3.5, 3.5));
    done();
  } }, "Draw new noise ε");
  const forget = () => { past.length = 0; ask(); };
  const clear = h("button", { type: "button", class: "dw-button", onclick: forget }, "Forget earlier draws");
  const pictures = decoder && ["decoded at μ", "decoded at z"].map((name) => {
    const canvas = h("canvas", { class: "dw-picture dw-small", role: "img", "aria-label": name });
    return { canvas, name, figure: h("figure", { class: "dw-figure" }, canvas, h("figcaption", {}, name)) };
  });

  const paint = () => {
    const [mu, logvar, eps] = ["mu", "logvar", "eps"].map((name) => model.get(name));
    const sigma = sigmaOf(logvar), z = sampleZ(mu, logvar, eps), peak = Math.max(0.44, 1.05 * density(0, 0, sigma));
    draw.prior.setAttribute("d", curve(0, 1, CODE, peak, false));
    draw.code.setAttribute("d", curve(mu, sigma, CODE, peak, true));
    const end = (e) => X(clamp(sampleZ(mu, logvar, e), LOW, HIGH));
    const route = (e) => `M${X(e)},${NOISE.base}V${NOISE.base + 20}L${end(e)},${CODE.base - 2}`;
    draw.past.setAttribute("d", past.map((e) => `${route(e)}v-9`).join(""));
    draw.link.setAttribute("d", route(eps));
    draw.dotEps.setAttribute("cx", X(eps)); draw.dotEps.setAttribute("cy", NOISE.base);
    draw.dotZ.setAttribute("cx", end(eps)); draw.dotZ.setAttribute("cy", CODE.base);
    const slope = gradients(mu, logvar, eps);
    draw.byMu.set(z, slope.mu, "1"); draw.bySigma.set(z, slope.sigma, show(eps));
    const m = show(mu), s = show(sigma, Math.max(2, decimals(sigma))), e = show(eps);
    const kl = show(klToStandardNormal(mu, logvar), 3);
    out.textContent = `z = μ + σε = ${m} + ${s} × ${eps < 0 ? `(${e})` : e} = ${show(z)}.  KL to N(0, 1): ${kl} nats.`;
    draw.svg.setAttribute("aria-label", `Mean ${m}, standard deviation ${s}; the noise ${e} becomes the code ${show(z)}`);
    controls.mu.set(mu, `mean ${m}, z ${show(z)}`);
    controls.logvar.set(logvar, `log variance ${show(logvar)}, standard deviation ${s}, z ${show(z)}`);
    controls.eps.set(eps, `noise ${e}, z ${show(z)}`);
    clear.disabled = !past.length;
    if (pictures) [mu, z].forEach((v, i) => {
      drawPicture(pictures[i].canvas, decoder.at(v), decoder.shape);
      pictures[i].canvas.setAttribute("aria-label", `Picture ${pictures[i].name} = ${show(v)}`);
    });
  };
  const ask = frames(el, paint);

  const main = h("div", { class: "dw-main" }, h("div", { class: "dw-noise-box" }, draw.svg));
  if (pictures) main.append(h("div", { class: "dw-side" }, ...pictures.map((p) => p.figure)));
  const sliders = Object.values(controls).map((control) => control.element);
  el.append(h("div", { class: "dw-bar" }, button, clear), main, out, h("div", { class: "dw-sliders dw-wide" }, ...sliders));
  const listen = listener(model);
  listen(["mu", "logvar", "eps"], ask);
  ask.now();
  return () => { listen.stop(); ask.stop(); };
}

export default asWidget(render);
