// The reverse process of a trained model, step by step: the noisy picture, the guess of the clean one, the guess of the noise.
import { follow, player, unpack } from "./player.js";
import { epsHat, norm, psnr, rebuild, toUnit, unfilter } from "./scrubber_numbers.js";
import { asWidget, clamp, drawPicture, frames, h, listener, show, slider } from "./ui.js";

const SECONDS = 8, TOP_DB = 50; // from noise to picture; end of the vertical axis
const PLOT = { width: 460, height: 170, left: 34, top: 8, right: 10, bottom: 24 };

// ---- one recorded chain, rebuilt when it is first looked at

function makeFilm(model) {
  const count = model.get("levels").length, [channels, height, width] = model.get("shape"), n = channels * height * width;
  const view = model.get("alpha_bar"), alphaBar = Array.from({ length: count + 1 }, (_, k) => view.getFloat64(8 * k, true));
  const chains = [];
  const load = async (sample) => {
    const pixels = unfilter(await unpack(model.get("packed")[sample]), n);
    const guesses = Array.from({ length: count }, (_, k) => Float32Array.from(pixels.subarray(k * n, (k + 1) * n), toUnit));
    const states = rebuild(pixels, alphaBar, model.get("seed"), sample), final = guesses[count - 1];
    guesses.push(final); // at the end nothing is left to guess
    chains[sample] = { states, guesses, final, near: guesses.map((g) => psnr(g, final)), nearNow: states.map((x) => psnr(x, final)) };
  };
  return { count, alphaBar, shape: [channels, height, width], size: n, chain: (sample) => chains[sample], load };
}

// ---- how close guess and noisy picture are to the end, over t

function makeCurve(levels) {
  const { width, height, left, top, right, bottom } = PLOT, count = levels.length, base = height - bottom, end = width - right;
  const X = (k) => left + ((end - left) * k) / count, Y = (v) => base - ((base - top) * clamp(v, 0, TOP_DB)) / TOP_DB;
  const rows = [0, 10, 20, 30, 40, 50].map((v) => h("g", {},
    h("line", { x1: left, x2: end, y1: Y(v), y2: Y(v), class: "dw-grid" }),
    h("text", { x: left - 5, y: Y(v) + 4, "text-anchor": "end", class: "dw-tick" }, v)));
  const times = [0, 0.25, 0.5, 0.75, 1].map((share) => h("text", { x: X(share * count), y: base + 15,
    "text-anchor": share === 1 ? "end" : "middle", class: "dw-tick" },
  `${share ? "" : "t = "}${share === 1 ? 0 : levels[Math.round(share * count)]}`));
  const guess = h("path", { class: "dw-curve dw-guess-line" }), noisy = h("path", { class: "dw-curve dw-noisy-line" });
  const now = h("line", { y1: top, y2: base, class: "dw-now-line" });
  const dots = ["dw-guess-dot", "dw-noisy-dot"].map((name) => h("circle", { r: 5, class: `dw-now ${name}` }));
  const svg = h("svg", { viewBox: `0 0 ${width} ${height}`, class: "dw-plot dw-schedule-plot", role: "img" },
    h("rect", { x: left, y: top, width: end - left, height: base - top, class: "dw-frame" }), ...rows, ...times, now, noisy, guess, ...dots);
  const path = (values) => `M${values.map((v, k) => `${X(k).toFixed(1)},${Y(v).toFixed(1)}`).join("L")}`;
  return { svg, step: (x) => clamp(Math.round(((x - left) / (end - left)) * count), 0, count),
    setChain({ near, nearNow }) { guess.setAttribute("d", path(near)); noisy.setAttribute("d", path(nearNow)); },
    setNow({ near, nearNow }, step) {
      now.setAttribute("x1", X(step)); now.setAttribute("x2", X(step));
      [near, nearNow].forEach((values, i) => { dots[i].setAttribute("cx", X(step)); dots[i].setAttribute("cy", Y(values[step])); });
    } };
}

// ---- the widget

function render({ model, el }) {
  const film = makeFilm(model), levels = model.get("levels"), names = model.get("names"), count = film.count, curve = makeCurve(levels);
  const done = () => model.save_changes(), step = () => clamp(model.get("step"), 0, count), sample = () => model.get("sample");
  const setStep = (k) => model.set("step", clamp(Math.round(k), 0, count));
  const ask = frames(el, () => paint());
  let place = 0, drawn = null;

  const play = player({ label: "Denoise", begin: () => { place = step() >= count ? 0 : step(); }, done,
    advance: (seconds) => { place += (seconds * count) / SECONDS; setStep(place); return place < count; } });
  const time = slider({ label: "step", min: 0, max: count, step: 1, digits: 0, onDone: done, onInput: (k) => { play.stop(); setStep(k); } });
  follow(curve.svg, { move: (x) => { play.stop(); setStep(curve.step(x)); }, done });

  const thumbs = names.map((name, i) => {
    const canvas = h("canvas", { class: "dw-picture dw-choice-picture", "aria-hidden": "true" });
    const button = h("button", { type: "button", class: "dw-button dw-choice", "aria-label": `Sample ${i + 1}: ${name}`,
      onclick: () => { model.set("sample", i); done(); } }, canvas, h("span", {}, name));
    return { button, canvas };
  });
  const sub = (letter, index) => [letter, h("sub", {}, index)];
  const figures = [[sub("x", "t"), "the noisy picture"], [sub("x̂", "0"), "guess of the clean picture"], [["ε̂"], "guess of the noise"]]
    .map(([symbol, words]) => {
      const canvas = h("canvas", { class: "dw-picture dw-large", role: "img" });
      return { canvas, words, figure: h("figure", { class: "dw-figure" }, canvas, h("figcaption", {}, h("b", {}, ...symbol), ` ${words}`)) };
    });
  const value = () => h("dd");
  const rows = { t: value(), alphaBar: value(), norm: value(), near: value() };
  const values = h("dl", { class: "dw-values dw-film-values" },
    h("dt", {}, "level t"), rows.t, h("dt", {}, ...sub("ᾱ", "t")), rows.alphaBar,
    h("dt", {}, "length of ", ...sub("x", "t")), rows.norm, h("dt", {}, ...sub("x̂", "0"), " to the end"), rows.near);

  const paint = () => {
    const k = step(), chain = film.chain(sample()), level = k < count ? levels[k] : 0;
    const near = !chain ? "" : Number.isFinite(chain.near[k]) ? `${show(chain.near[k], 1)} dB` : "there";
    thumbs.forEach(({ button }, i) => button.setAttribute("aria-pressed", String(i === sample())));
    time.set(k, `step ${k} of ${count}, t = ${level}${near && `, guess to the end ${near}`}`, 0);
    rows.t.textContent = level;
    rows.alphaBar.textContent = film.alphaBar[k] < 0.001 ? film.alphaBar[k].toExponential(1).replace("-", "\u2212") : show(film.alphaBar[k], 3);
    if (!chain) return;
    rows.norm.textContent = show(norm(chain.states[k]), 1);
    rows.near.textContent = near;
    if (chain !== drawn) { drawn = chain; curve.setChain(chain); }
    curve.setNow(chain, k);
    curve.svg.setAttribute("aria-label", `Distance to the finished picture over t, in decibels; now the guess is ${near}`);
    const noise = k < count ? epsHat(chain.states[k], chain.guesses[k], film.alphaBar[k]) : new Float32Array(film.size);
    [chain.states[k], chain.guesses[k], noise.map((v) => v / 3)].forEach((picture, i) => {
      drawPicture(figures[i].canvas, picture, film.shape);
      figures[i].canvas.setAttribute("aria-label", `${names[sample()]}, ${figures[i].words} at t = ${level}`);
    });
  };

  // together; every chain is unpacked once, the one in view first
  el.append(
    h("div", { class: "dw-bar dw-choices" }, ...thumbs.map(({ button }) => button)),
    h("div", { class: "dw-timeline" }, play.button, h("div", { class: "dw-sliders" }, time.element)),
    h("div", { class: "dw-triple" }, ...figures.map(({ figure }) => figure)),
    h("div", { class: "dw-film-below" }, values, h("figure", { class: "dw-figure dw-film-curve" },
      h("figcaption", {}, "how close to the finished picture (dB): ", h("b", { class: "dw-guess-word" }, ...sub("x̂", "0"), " solid"),
        ", ", h("b", { class: "dw-noisy-word" }, ...sub("x", "t"), " dashed")), curve.svg)));
  const order = [sample(), ...names.keys()].filter((i, at, all) => all.indexOf(i) === at);
  const loadAll = async () => {
    for (const i of order) {
      await film.load(i);
      drawPicture(thumbs[i].canvas, film.chain(i).final, film.shape);
      ask();
    }
  };
  loadAll().catch((error) => { el.prepend(h("p", { class: "dw-error", role: "alert" }, `The recorded pictures could not be unpacked here (${error.message}).`)); });
  const listen = listener(model);
  listen(["sample", "step"], ask);
  ask.now();
  return () => { for (const part of [play, listen, ask]) part.stop(); };
}

export default asWidget(render);
