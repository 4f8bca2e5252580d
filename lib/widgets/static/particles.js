// Particles in the plane between data and noise: forward by adding noise, back by the exact score.
import { backwardMean, backwardStep, forwardStep, langevinStep, score } from "./particle_numbers.js";
import { drawArrows, makeScene, readSet, SIDE } from "./plane.js";
import { follow, player } from "./player.js";
import { normals } from "./portable_noise.js";
import { asWidget, clamp, frames, freshId, h, listener, show, slider } from "./ui.js";

const SECONDS = 6, SHAKES = 30; // seconds from data to noise; Langevin steps a second
const ARROWS = { score: "score", step: "one step back", none: "none" };

function render({ model, el }) {
  const view = model.get("alpha_bar"), alphaBar = Array.from({ length: view.byteLength / 8 }, (_, t) => view.getFloat64(8 * t, true));
  const T = alphaBar.length - 1, reach = model.get("reach"), scene = makeScene(reach);
  const sets = new Map(model.get("sets").map((entry) => [entry.name, readSet(entry)]));
  let set = sets.get(model.get("data")), x = null, at = 0, walks = 0, steps = 0, shaken = 0, trace = [], drawn = {};
  const done = () => model.save_changes(), wanted = () => clamp(model.get("t"), 0, T);
  const tell = (name, value) => { model.set(name, value); done(); };
  const ask = frames(el, () => paint());

  // The particles, the reader's own one last. Every move draws its noise from a stream of its own.
  const fresh = () => normals(x.length, model.get("seed"), walks++);
  const ownPlace = () => [x[x.length - 2], x[x.length - 1]];
  const remember = () => { trace.push(ownPlace()); if (trace.length > 2000) trace.shift(); };
  const begin = (places, t, own) => { x = Float64Array.from([...places, ...own]); [at, steps, shaken, trace] = [t, 0, 0, [own]]; };
  const restart = () => { begin(set.start, 0, model.get("own")); if (wanted() > 0) moveTo(wanted()); };
  const moveTo = (t) => {
    while (at < t) { x = forwardStep(x, alphaBar[at + 1], alphaBar[at], fresh()); at++; steps++; remember(); }
    while (at > t) {
      const last = at === 1 ? new Float64Array(x.length) : fresh(); // no noise at the last step
      x = backwardStep(set.denoise, x, alphaBar[at], alphaBar[at - 1], last);
      at--; steps++; remember();
    }
  };
  const shake = () => { // a step so small that the smallest detail at this level survives
    if (at === 0) return;
    x = langevinStep(set.denoise, x, alphaBar[at], 0.2 * (1 - alphaBar[at]), fresh());
    steps++; shaken++; remember();
  };
  const putOwn = (px, py) => {
    [x[x.length - 2], x[x.length - 1]] = [clamp(px, -reach, reach), clamp(py, -reach, reach)];
    trace = [ownPlace()];
    model.set("own", ownPlace().map((v) => clamp(Math.round(1000 * v) / 1000, -reach, reach)));
    ask();
  };

  // buttons
  let place = 0;
  const go = (label, symbol, sign, first) => player({ label, symbol, begin: () => { others(sign); first(); place = wanted(); },
    advance: (seconds) => { place = clamp(place + (sign * seconds * T) / SECONDS, 0, T); model.set("t", Math.round(place)); return sign > 0 ? place < T : place > 0; },
    done });
  const noise = go("Add noise", "\u25B6", 1, () => { if (wanted() === T) { model.set("t", 0); restart(); } });
  const denoise = go("Denoise", "\u25C0", -1, () => {
    if (wanted() > 0) return;
    begin(normals(set.start.length, model.get("seed"), 0x10000 + walks++), T, model.get("own")); // fresh from pure noise
    model.set("t", T);
  });
  let due = 0;
  const langevin = player({ label: "Shake", symbol: "\u223F", begin: () => others(0), stride: 1 / SHAKES,
    advance: (seconds) => { for (due += seconds * SHAKES; due >= 1; due--) shake(); ask(); return at > 0; }, done });
  const others = (sign) => { for (const [key, one] of [[1, noise], [-1, denoise], [0, langevin]]) if (key !== sign) one.stop(); };
  const stopAll = () => others(2);
  const again = h("button", { type: "button", class: "dw-button", onclick: () => { stopAll(); model.set("t", 0); restart(); done(); ask(); } }, "Start again");
  const time = slider({ label: "t", min: 0, max: T, step: 1, digits: 0, onDone: done, onInput: (t) => { stopAll(); model.set("t", Math.round(t)); } });
  const select = (label, name, entries) => {
    const id = freshId(), element = h("select", { id, class: "dw-select", onchange: () => tell(name, element.value) },
      ...entries.map(([value, text]) => h("option", { value }, text)));
    return { element, pair: h("span", { class: "dw-pair" }, h("label", { for: id, class: "dw-name" }, label), element) };
  };
  const choice = select("data", "data", [...sets.keys()].map((name) => [name, name])), field = select("arrows", "arrows", Object.entries(ARROWS));

  // the reader's own particle
  const own = h("div", { class: "dw-own", role: "slider", tabindex: 0, "aria-label": "Your own particle, moved by the arrow keys",
    "aria-roledescription": "point on a plane" });
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  own.addEventListener("keydown", (e) => {
    const move = MOVES[e.key], size = (e.shiftKey ? 0.1 : 0.02) * reach;
    if (!move) return;
    e.preventDefault();
    putOwn(...ownPlace().map((v, i) => v + size * move[i]));
  });
  own.addEventListener("keyup", (e) => { if (MOVES[e.key]) done(); });
  const plane = h("div", { class: "dw-plane" }, scene.svg, own);
  follow(scene.svg, { target: plane, move: (px, py) => { putOwn(...scene.place(px, py)); own.focus({ preventScroll: true }); }, done });
  const words = h("output", { class: "dw-readout", "aria-live": "off" });

  const arrowsPath = () => {
    const kind = model.get("arrows"), level = alphaBar[at];
    if (kind === "none" || at === 0) return "";
    if (kind === "score") return drawArrows(scene, reach, (grid) => ({ vectors: score(set.denoise, level, grid), usual: 1.2 / Math.sqrt(1 - level) }));
    return drawArrows(scene, reach, (grid) => {
      const { mean } = backwardMean(set.denoise, grid, level, alphaBar[at - 1]);
      return { vectors: mean.map((v, i) => v - grid[i]), usual: 1.2 * (1 - level / alphaBar[at - 1]) };
    });
  };
  const paint = () => {
    if (sets.get(model.get("data")) !== set) { set = sets.get(model.get("data")); restart(); }
    moveTo(wanted());
    const now = { set, at, kind: model.get("arrows") };
    if (Object.keys(now).some((key) => now[key] !== drawn[key])) {
      scene.part.arrows.setAttribute("d", arrowsPath());
      if (now.set !== drawn.set) {
        const { mixture, start } = set;
        scene.part.data.setAttribute("d", mixture ? scene.outlines(mixture) : scene.dots(start, 1.6));
        scene.part.data.classList.toggle("dw-outline", Boolean(mixture));
      }
      drawn = now;
    }
    const [ox, oy] = ownPlace(), where = `t = ${at} of ${T}, ᾱ = ${show(alphaBar[at], 3)}`;
    scene.part.dots.setAttribute("d", scene.dots(x.subarray(0, x.length - 2), 2.4));
    scene.part.trace.setAttribute("d", trace.length > 1 ? `M${trace.map(([a, b]) => `${scene.X(clamp(a, -reach, reach)).toFixed(1)},${scene.Y(clamp(b, -reach, reach)).toFixed(1)}`).join("L")}` : "");
    own.style.left = `${(100 * scene.X(clamp(ox, -reach, reach))) / SIDE}%`;
    own.style.top = `${(100 * scene.Y(clamp(oy, -reach, reach))) / SIDE}%`;
    own.setAttribute("aria-valuenow", ox);
    own.setAttribute("aria-valuetext", `x = ${show(ox)}, y = ${show(oy)}`);
    choice.element.value = model.get("data"); field.element.value = model.get("arrows");
    langevin.button.disabled = at === 0;
    time.set(at, where, 0);
    words.textContent = `${where}. ${steps} ${steps === 1 ? "step" : "steps"} taken${shaken ? `, ${shaken} of them Langevin steps at one level` : ""}.`
      + `${at === 0 && model.get("arrows") !== "none" ? " Without noise there is no score to show." : ""}`;
    scene.svg.setAttribute("aria-label", `${x.length / 2 - 1} particles of ${model.get("data")} at ${where}`);
  };

  const bar = h("div", { class: "dw-bar" }, ...(sets.size > 1 ? [choice.pair] : []), field.pair, again);
  el.append(bar, h("div", { class: "dw-bar dw-drive" }, denoise.button, langevin.button, noise.button),
    h("div", { class: "dw-ends" }, h("span", {}, "data"), h("span", {}, "noise")),
    h("div", { class: "dw-sliders dw-wide-time" }, time.element), plane, words,
    h("p", { class: "dw-key" }, "The ring is your own particle: drag it anywhere, then add or remove noise and follow its path."));
  restart();
  const listen = listener(model);
  listen(["data", "t", "arrows"], ask);
  listen("own", () => { const [a, b] = model.get("own"), now = ownPlace(); if (Math.hypot(a - now[0], b - now[1]) > 0.01) putOwn(a, b); });
  ask.now();
  return () => { stopAll(); for (const part of [listen, ask]) part.stop(); };
}

export default asWidget(render);
