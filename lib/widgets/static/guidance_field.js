// Guidance in the plane: the field without a class, with it, their difference and the guided one; particles that follow it.
import { score } from "./particle_numbers.js";
import { drawArrows, makeScene, SIDE } from "./plane.js";
import { player } from "./player.js";
import { normals } from "./portable_noise.js";
import { classOf, guided, guidedLogDensity, mixtureSpread, restrict, SPACINGS, spread, walk } from "./sampler_numbers.js";
import { asWidget, clamp, frames, freshId, h, listener, show, slider } from "./ui.js";

const SECONDS = 5, MOST = 10, PIXELS = 100, BLUE = [59, 143, 214]; // from noise to data; largest scale; the density
const FIELDS = ["unconditional", "conditional", "difference", "guided", "none"];
const LAYERS = ["other", "wanted", "arrows", "dots"];

const brief = (v) => show(v, 2).replace(/\.?0+$/, ""); // 3, not 3.00

function radios(title, labels, pick) {
  const name = freshId(), inputs = labels.map((label) => h("input", { type: "radio", name, id: freshId(), onchange: () => pick(label) }));
  const element = h("fieldset", { class: "dw-segments" }, h("legend", {}, title),
    ...inputs.map((input, i) => h("span", { class: "dw-segment" }, input, h("label", { for: input.id }, labels[i]))));
  return { element, set(label) { inputs.forEach((input, i) => { input.checked = labels[i] === label; }); } };
}

function render({ model, el }) {
  const view = model.get("alpha_bar"), alphaBar = Array.from({ length: view.byteLength / 8 }, (_, t) => view.getFloat64(8 * t, true));
  const T = alphaBar.length - 1, reach = model.get("reach"), num = model.get("num"), scene = makeScene(reach, LAYERS);
  const all = model.get("mixture"), classes = model.get("classes"), names = classes.map(({ name }) => name);
  const parts = classes.map(({ components }) => restrict(all, components)), levels = SPACINGS.evenly(T, T);
  const done = () => model.save_changes(), tell = (name, value) => { model.set(name, value); done(); };
  const index = () => Math.max(0, names.indexOf(model.get("wanted"))), scale = () => model.get("guidance_scale");
  const now = () => clamp(model.get("t"), 0, T);
  const ask = frames(el, () => paint());
  let place = 0, film = {}, drawn = {};

  // controls
  const play = player({ label: "Denoise", begin: () => { place = now() === 0 ? T : now(); model.set("t", place); }, done,
    advance: (seconds) => { place = Math.max(0, place - (seconds * T) / SECONDS); model.set("t", Math.round(place)); return place > 0; } });
  const time = slider({ label: "t", min: 0, max: T, step: 1, digits: 0, onDone: done, onInput: (t) => { play.stop(); model.set("t", Math.round(t)); } });
  const setScale = (s) => model.set("guidance_scale", clamp(Math.round(100 * s) / 100, 0, MOST));
  const s = slider({ label: "scale s", min: 0, max: MOST, step: 0.1, onDone: done, onInput: setScale });
  const w = slider({ label: "w = s \u2212 1", min: -1, max: MOST - 1, step: 0.1, onDone: done, onInput: (v) => setScale(v + 1) });
  const wanted = radios("class", names, (name) => tell("wanted", name)), field = radios("field", FIELDS, (name) => tell("field", name));
  const density = h("input", { type: "checkbox", onchange: () => tell("density", density.checked) });
  const again = h("button", { type: "button", class: "dw-button", onclick: () => tell("seed", (model.get("seed") + 1) % 2 ** 31) }, "New noise");

  // the plane: a picture of the density behind, then outlines, arrows and particles
  const back = h("canvas", { class: "dw-density", width: PIXELS, height: PIXELS, "aria-hidden": "true" });
  const plane = h("div", { class: "dw-plane dw-guided-plane" }, back, scene.svg);
  const value = () => h("dd");
  const rows = { calls: value(), share: value(), spread: value() };
  const values = h("dl", { class: "dw-values dw-walk-values" }, h("dt", {}, "network calls a step"), rows.calls,
    h("dt", {}, "finished, in the class"), rows.share, h("dt", {}, "finished, spread"), rows.spread);
  const words = h("output", { class: "dw-readout", "aria-live": "off" });

  const vectors = (kind, level) => (grid) => {
    const usual = 1.2 / Math.sqrt(1 - level), at = (times) => score(guided(all, parts[index()], times), level, grid);
    if (kind === "difference") { const u = at(0); return { vectors: at(1).map((v, i) => v - u[i]), usual }; }
    return { vectors: at({ unconditional: 0, conditional: 1, guided: scale() }[kind]), usual };
  };
  const drawDensity = (level) => {
    const log = guidedLogDensity(all, parts[index()], level, scale()), logs = new Float64Array(PIXELS * PIXELS);
    for (let i = 0; i < logs.length; i++) {
      const [x, y] = [((i % PIXELS) + 0.5) / PIXELS, (Math.floor(i / PIXELS) + 0.5) / PIXELS].map((v) => (2 * v - 1) * reach);
      logs[i] = log(x, -y);
    }
    const best = logs.reduce((a, b) => Math.max(a, b)), context = back.getContext("2d"), image = context.createImageData(PIXELS, PIXELS);
    logs.forEach((v, i) => image.data.set([...BLUE, 150 * Math.exp(v - best)], 4 * i));
    context.putImageData(image, 0, 0);
  };

  const compute = () => { // every level of every particle, anew only for another class, scale or seed
    const name = JSON.stringify([index(), scale(), model.get("seed")]);
    if (film.name === name) return film;
    const states = walk(guided(all, parts[index()], scale()), alphaBar, levels, normals(2 * num, model.get("seed"), 0)), ends = states[T];
    const inside = classOf(parts, 1, ends).filter((k) => k === index()).length;
    film = { name, states, share: inside / num, spread: spread(ends) };
    return film;
  };

  const paint = () => {
    const t = now(), k = index(), kind = model.get("field"), level = alphaBar[t], { states, share, spread: width } = compute();
    if (drawn.k !== k) {
      const others = classes.flatMap(({ components }, i) => (i === k ? [] : components));
      scene.part.wanted.setAttribute("d", scene.outlines(parts[k]));
      scene.part.other.setAttribute("d", scene.outlines(restrict(all, others)));
    }
    const needs = JSON.stringify([t, k, kind, kind === "guided" ? scale() : 0]), behind = model.get("density");
    if (drawn.needs !== needs) scene.part.arrows.setAttribute("d", kind === "none" || t === 0 ? "" : drawArrows(scene, reach, vectors(kind, level)));
    drawn = { k, needs };
    back.hidden = !behind;
    if (behind) drawDensity(level);
    scene.part.dots.setAttribute("d", scene.dots(states[T - t], 2.4));

    const where = `t = ${t} of ${T}, ᾱ = ${show(level, 3)}`;
    wanted.set(names[k]); field.set(kind); density.checked = model.get("density");
    time.set(t, where, 0);
    s.set(scale(), `s = ${brief(scale())}, that is w = ${brief(scale() - 1)}`); w.set(scale() - 1, `w = ${brief(scale() - 1)}, that is s = ${brief(scale())}`);
    rows.calls.textContent = scale() === 0 || scale() === 1 ? "1" : "2";
    rows.share.textContent = `${show(100 * share, 1)} %`;
    rows.spread.textContent = `${show(width, 3)} (the class ${show(mixtureSpread(parts[k]), 3)})`;
    words.textContent = `${where}. s = ${brief(scale())} is w = ${brief(scale() - 1)} in the other convention.`
      + `${t === 0 ? " Without noise there is no score to show." : ""}`;
    scene.svg.setAttribute("aria-label", `${num} particles at ${where}, guided to ${names[k]} with s = ${brief(scale())}; arrows: ${t === 0 ? "none" : kind}`);
  };

  el.append(h("div", { class: "dw-bar dw-guide-bar" }, wanted.element, again), h("div", { class: "dw-bar dw-guide-bar" }, field.element),
    h("div", { class: "dw-sliders dw-walk-sliders dw-guide-sliders" }, s.element, w.element),
    h("div", { class: "dw-timeline" }, play.button, h("div", { class: "dw-sliders" }, time.element)),
    h("label", { class: "dw-check" }, density, h("span", {}, "density q(x", h("sub", {}, "t"), ") q(y | x", h("sub", {}, "t"), ")", h("sup", {}, "s"), " behind")),
    plane, words, values,
    h("p", { class: "dw-key" }, "Solid outlines: the wanted class; dotted: the others. Particles walk through all levels without fresh noise."));
  const listen = listener(model);
  listen(["wanted", "guidance_scale", "t", "field", "density", "seed"], ask);
  ask.now();
  return () => { for (const part of [play, listen, ask]) part.stop(); };
}

export default asWidget(render);
