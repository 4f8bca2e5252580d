// Walks from noise to data in the plane, in few steps or many, beside the path that each of them approximates.
import { makeScene, readSet, SIDE } from "./plane.js";
import { follow } from "./player.js";
import { normals } from "./portable_noise.js";
import { finePath, meanDistance, nearestDistance, SPACINGS, spread, walk } from "./sampler_numbers.js";
import { asWidget, clamp, frames, freshId, h, listener, show, slider } from "./ui.js";

const STOPS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000];
const SHOWN = 14, SHOWN_NOISY = 4, FINEST = 100, MOST_DOTS = 60, OWN_STREAM = 0x10000; // walks that are drawn, without noise and with it; levels of the fine path; steps up to which each is a dot; noise of the own walk
const LAYERS = ["data", "fine", "walks", "nodes", "ends", "own-fine", "trace", "own-nodes"];

// A slider over chosen numbers of steps, with a field for any.
function stepsSlider(T, { onInput, onDone }) {
  const stops = [...STOPS.filter((s) => s < T), T], id = freshId();
  const input = h("input", { type: "range", id, min: 0, max: stops.length - 1, step: 1, class: "dw-range" });
  const field = h("input", { type: "number", min: 1, max: T, step: 1, class: "dw-number", "aria-label": "steps S, number" });
  input.addEventListener("input", () => onInput(stops[input.value]));
  input.addEventListener("change", onDone);
  field.addEventListener("change", () => { if (field.value !== "" && field.reportValidity()) { onInput(Math.round(Number(field.value))); onDone(); } });
  return { element: h("div", { class: "dw-slider" }, h("label", { for: id, class: "dw-name" }, "steps S"), input, field), set(S) {
    const above = stops.findIndex((s) => s >= S);
    input.value = above > 0 && S - stops[above - 1] < stops[above] - S ? above - 1 : above;
    input.setAttribute("aria-valuetext", `${S} steps of ${T}`);
    if (document.activeElement !== field) field.value = S;
  } };
}

function render({ model, el }) {
  const view = model.get("alpha_bar"), alphaBar = Array.from({ length: view.byteLength / 8 }, (_, t) => view.getFloat64(8 * t, true));
  const T = alphaBar.length - 1, reach = model.get("reach"), num = model.get("num"), scene = makeScene(reach, LAYERS);
  const sets = new Map(model.get("sets").map((entry) => [entry.name, readSet(entry)]));
  const fineLevels = SPACINGS.quadratic(T, Math.min(T, FINEST)), done = () => model.save_changes();
  const tell = (name, value) => { model.set(name, value); done(); };
  const ask = frames(el, () => paint());
  let fine = { set: null }, drawn = null;

  // controls
  const select = (label, name, options) => {
    const id = freshId(), element = h("select", { id, class: "dw-select", onchange: () => tell(name, element.value) },
      ...options.map((value) => h("option", { value }, value)));
    return { element, pair: h("span", { class: "dw-pair" }, h("label", { for: id, class: "dw-name" }, label), element) };
  };
  const choice = select("data", "data", [...sets.keys()]), spacing = select("levels", "spacing", Object.keys(SPACINGS));
  const again = h("button", { type: "button", class: "dw-button", onclick: () => tell("seed", (model.get("seed") + 1) % 2 ** 31) }, "New noise");
  const steps = stepsSlider(T, { onInput: (S) => model.set("num_steps", clamp(S, 1, T)), onDone: done });
  const eta = slider({ label: "η", min: 0, max: 1, step: 0.05, onDone: done, onInput: (v) => model.set("eta", v) });
  const larger = h("input", { type: "checkbox", onchange: () => tell("sigma_hat", larger.checked) });

  // the reader's own x_T
  const own = h("div", { class: "dw-own", role: "slider", tabindex: 0, "aria-label": "Your own starting point, moved by the arrow keys",
    "aria-roledescription": "point on a plane" });
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const putOwn = (place) => model.set("own", place.map((v) => clamp(Math.round(1000 * v) / 1000, -reach, reach)));
  own.addEventListener("keydown", (e) => {
    const move = MOVES[e.key], size = (e.shiftKey ? 0.1 : 0.02) * reach;
    if (!move) return;
    e.preventDefault();
    putOwn(model.get("own").map((v, i) => v + size * move[i]));
  });
  own.addEventListener("keyup", (e) => { if (MOVES[e.key]) done(); });
  const plane = h("div", { class: "dw-plane" }, scene.svg, own);
  follow(scene.svg, { target: plane, move: (px, py) => { putOwn(scene.place(px, py)); own.focus({ preventScroll: true }); }, done });

  // what is read off
  const value = () => h("dd");
  const rows = { calls: value(), error: value(), near: value(), spread: value() };
  const values = h("dl", { class: "dw-values dw-walk-values" },
    h("dt", {}, "network calls"), rows.calls, h("dt", {}, "ends, from the exact path"), rows.error,
    h("dt", {}, "ends, from the data"), rows.near, h("dt", {}, "spread of the ends"), rows.spread);
  const words = h("output", { class: "dw-readout", "aria-live": "off" });

  const line = (states, i) => `M${states.map((x) => `${scene.X(x[i]).toFixed(1)},${scene.Y(x[i + 1]).toFixed(1)}`).join("L")}`;
  const lines = (states, from, to) => { let d = ""; for (let i = 2 * from; i < 2 * to; i += 2) d += line(states, i); return d; };
  const nodes = (states, from, to, r) => (states.length > MOST_DOTS ? "" : states.slice(0, -1).map((x) => scene.dots(x.slice(2 * from, 2 * to), r)).join(""));
  const draw = (name, d) => scene.part[name].setAttribute("d", d);

  // The particles, computed anew only when something that they depend on has changed, and the reader's own one.
  let main = {};
  const compute = () => {
    const set = sets.get(model.get("data")), seed = model.get("seed"), own = Float64Array.from(model.get("own"));
    const options = { eta: model.get("eta"), sigmaHat: model.get("sigma_hat") }, levels = SPACINGS[model.get("spacing")](T, model.get("num_steps"));
    const from = normals(2 * num, seed, 0), name = JSON.stringify([model.get("data"), seed, options, levels]);
    if (fine.set !== set || fine.seed !== seed) fine = { set, seed, states: finePath(set.denoise, alphaBar, fineLevels, from) };
    if (main.name !== name) main = { name, states: walk(set.denoise, alphaBar, levels, from, options, (k) => normals(2 * num, seed, k + 1)) };
    return { set, levels, options, states: main.states, ends: main.states.at(-1), exact: fine.states.at(-1),
      ownFine: finePath(set.denoise, alphaBar, fineLevels, own),
      ownStates: walk(set.denoise, alphaBar, levels, own, options, (k) => normals(2, seed, OWN_STREAM + k)) };
  };

  const paint = () => {
    const { set, states, levels, options, ends, exact, ownFine, ownStates } = compute(), noisy = options.sigmaHat || options.eta > 0;
    const shown = noisy ? SHOWN_NOISY : SHOWN;
    if (set !== drawn) {
      drawn = set;
      draw("data", set.mixture ? scene.outlines(set.mixture) : scene.dots(set.start, 1.6));
      scene.part.data.classList.toggle("dw-outline", Boolean(set.mixture));
    }
    draw("fine", lines(fine.states, 0, shown));
    draw("walks", lines(states, 0, shown));
    draw("nodes", nodes(states, 0, shown, 1.5));
    draw("ends", scene.dots(ends, 2.4));
    draw("own-fine", line(ownFine, 0));
    draw("trace", line(ownStates, 0));
    draw("own-nodes", nodes(ownStates.slice(1), 0, 1, 2.4) + scene.dots(ownStates.at(-1), 4));
    const [ox, oy] = model.get("own");
    own.style.left = `${(100 * scene.X(ox)) / SIDE}%`;
    own.style.top = `${(100 * scene.Y(oy)) / SIDE}%`;
    own.setAttribute("aria-valuenow", ox);
    own.setAttribute("aria-valuetext", `x = ${show(ox)}, y = ${show(oy)}`);

    const S = model.get("num_steps"), noise = options.sigmaHat ? "σ̂" : `η = ${show(options.eta)}`;
    choice.element.value = model.get("data"); spacing.element.value = model.get("spacing");
    steps.set(S); eta.set(model.get("eta")); larger.checked = options.sigmaHat;
    eta.input.disabled = eta.field.disabled = options.sigmaHat;
    rows.calls.textContent = S;
    rows.error.textContent = noisy ? "with noise: another draw" : show(meanDistance(ends, exact), 3);
    rows.near.textContent = `${show(nearestDistance(ends, set.start), 3)} (exact path ${show(nearestDistance(exact, set.start), 3)})`;
    rows.spread.textContent = `${show(spread(ends), 3)} (data ${show(spread(set.start), 3)})`;
    const visited = levels.length > 7 ? [...levels.slice(-3).reverse(), "…", ...levels.slice(0, 3).reverse()] : [...levels].reverse();
    words.textContent = `t = ${[...visited, 0].join(" → ")}`;
    scene.svg.setAttribute("aria-label", `${num} walks from noise to ${model.get("data")} in ${S} steps with ${noise}, ${shown} of them drawn`);
  };

  const key = (name, text) => h("span", { class: "dw-walk-key" }, h("span", { class: `dw-swatch dw-swatch-${name}`, "aria-hidden": "true" }), text);
  el.append(h("div", { class: "dw-bar" }, ...(sets.size > 1 ? [choice.pair] : []), spacing.pair, again),
    h("div", { class: "dw-sliders dw-walk-sliders" }, steps.element, eta.element),
    h("label", { class: "dw-check" }, larger, h("span", {}, "σ̂: the larger noise, √(1 − ᾱ", h("sub", {}, "t"), "/ᾱ", h("sub", {}, "s"), ")")),
    plane, h("div", { class: "dw-walk-keys" }, key("fine", "exact path"), key("walk", "walk in S steps"), key("own", "your own")),
    words, values, h("p", { class: "dw-key" }, "The ring is your own x", h("sub", {}, "T"), ": drag it anywhere."));
  const listen = listener(model);
  listen(["data", "num_steps", "eta", "sigma_hat", "spacing", "seed", "own"], ask);
  ask.now();
  return () => { for (const part of [listen, ask]) part.stop(); };
}

export default asWidget(render);
