// A map of a two-dimensional latent space. The decoder runs in the browser while the cross is dragged.
import { cloudSquare, distanceFrom, gridPoints, holds, nearest, stepOut, usualGap, viewSquare } from "./latent_numbers.js";
import { compile } from "./nn.js";
import { asWidget, calm, clamp, decimals, drawPicture, frames, freshId, h, listener, show, slider, ticks } from "./ui.js";

// ---- the map: an SVG for the codes, over it a cross that can be grabbed

const SIZE = 320, LEFT = 34, TOP = 8, WIDTH = LEFT + SIZE + 8, HEIGHT = TOP + SIZE + 26;
const SHAPES = [ // disc, square, triangle, diamond, triangle upside down: groups differ by more than colour
  "m-3,0a3,3 0 1,0 6,0a3,3 0 1,0-6,0z", "m-2.7-2.7h5.4v5.4h-5.4z", "m0-3.6l3.4,6h-6.8z",
  "m0-3.7l3.7,3.7l-3.7,3.7l-3.7-3.7z", "m0,3.6l3.4-6h-6.8z",
];
const NUM_COLOURS = 10, MAX_ZOOM = 64;

const toMap = ({ center, radius }, x, y) =>
  [LEFT + (SIZE / 2) * (1 + (x - center[0]) / radius), TOP + (SIZE / 2) * (1 - (y - center[1]) / radius)];
const fromMap = ({ center, radius }, px, py) =>
  [center[0] + radius * ((2 * (px - LEFT)) / SIZE - 1), center[1] - radius * ((2 * (py - TOP)) / SIZE - 1)];

function drawAxes(axes, view) {
  const parts = [];
  for (const axis of [0, 1]) {
    for (const v of ticks(view.center[axis] - view.radius, view.center[axis] + view.radius)) {
      const [x, y] = toMap(view, axis ? view.center[0] : v, axis ? v : view.center[1]);
      const ends = axis ? { x1: LEFT, x2: LEFT + SIZE, y1: y, y2: y } : { x1: x, x2: x, y1: TOP, y2: TOP + SIZE };
      const place = axis ? { x: LEFT - 5, y: y + 4 } : { x, y: TOP + SIZE + 15 };
      parts.push(h("line", { ...ends, class: v === 0 ? "dw-zero" : "dw-grid" }));
      const number = String(v).replace("-", "\u2212");
      parts.push(h("text", { ...place, "text-anchor": axis ? "end" : "middle", class: "dw-tick" }, number));
    }
  }
  axes.replaceChildren(...parts);
}

function drawCodes(paths, codes, labels, view) {
  const d = paths.map(() => "");
  for (let i = 0; i < codes.length / 2; i++) {
    if (!holds(view, [codes[2 * i], codes[2 * i + 1]])) continue;
    const [x, y] = toMap(view, codes[2 * i], codes[2 * i + 1]), group = labels ? labels.getUint8(i) : 0;
    d[group] += `M${x.toFixed(1)},${y.toFixed(1)}${SHAPES[group % SHAPES.length]}`;
  }
  paths.forEach((path, group) => path.setAttribute("d", d[group]));
}

const floats = (view) => Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));

function prepare(entry) { // a model as it arrives from Python, its network not yet built
  const codes = floats(entry.codes);
  let network = null;
  return {
    codes, cloud: cloudSquare(codes), gap: usualGap(codes), label: entry.label,
    decode: (z) => (network ??= compile(entry.program, entry.weights)).run(z),
    shape: entry.shape,
  };
}

function legend(names, paths) {
  const chips = names.map((name, group) => {
    const mark = h("svg", { viewBox: "-5 -5 10 10", class: "dw-mark", "aria-hidden": "true" },
      h("path", { d: `M0,0${SHAPES[group % SHAPES.length]}`, class: `dw-g${group % NUM_COLOURS}` }));
    return h("button", { type: "button", class: "dw-chip", "aria-pressed": "false", onclick: () => {
      const on = chips[group].getAttribute("aria-pressed") !== "true";
      chips.forEach((chip, i) => chip.setAttribute("aria-pressed", on && i === group));
      paths.forEach((path, i) => path.classList.toggle("dw-faint", on && i !== group));
    } }, mark, name);
  });
  return h("div", { class: "dw-legend", role: "group", "aria-label": "Show one group of codes" }, ...chips);
}

// Pictures decoded on a grid, under the dots. They are made a few at a time, so that nothing waits for them.
function makeGrid(side = 9) {
  const canvas = h("canvas", { class: "dw-grid-picture", "aria-hidden": "true" }), small = h("canvas");
  let timer = 0;
  const stop = () => { clearTimeout(timer); timer = 0; };
  return { canvas, stop, start(now, view) {
    stop();
    const points = gridPoints(view, side), [, height, width] = now.shape, context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [side * width, side * height];
    let i = 0;
    const some = () => {
      for (const before = performance.now(); i < points.length && performance.now() - before < 8; i++) {
        drawPicture(small, now.decode(points[i]), now.shape);
        context.drawImage(small, (i % side) * width, Math.floor(i / side) * height);
      }
      timer = i < points.length ? setTimeout(some, 8) : 0;
    };
    timer = setTimeout(some, 120); // while the map still moves, each change starts anew
  } };
}

// The cross follows the pointer; arrow keys move it by a hundredth of the map, with Shift by a tenth.
function makeCross(map, svg, { getZ, getView, move, done }) {
  const spoken = { "aria-label": "Point z on the map, moved by the arrow keys", "aria-roledescription": "point on a map" };
  const cross = h("div", { class: "dw-cross", role: "slider", tabindex: 0, ...spoken });
  let offset = null;
  const pointer = (e) => {
    const box = svg.getBoundingClientRect();
    return [((e.clientX - box.left) / box.width) * WIDTH, ((e.clientY - box.top) / box.height) * HEIGHT];
  };
  const follow = (e) => {
    const [px, py] = pointer(e);
    move(fromMap(getView(), clamp(px - offset[0], LEFT, LEFT + SIZE), clamp(py - offset[1], TOP, TOP + SIZE)));
  };
  const release = () => { if (offset) { offset = null; done(); } };
  map.addEventListener("pointerdown", (e) => {
    if (e.button > 0 || e.target.closest("button")) return;
    const [px, py] = pointer(e), [cx, cy] = toMap(getView(), ...getZ());
    offset = e.target === cross ? [px - cx, py - cy] : [0, 0];
    map.setPointerCapture(e.pointerId);
    cross.focus({ preventScroll: true });
    e.preventDefault();
    follow(e);
  });
  map.addEventListener("pointermove", (e) => { if (offset) follow(e); });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) map.addEventListener(end, release);
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  cross.addEventListener("keydown", (e) => {
    const arrow = ARROWS[e.key], { center, radius } = getView(), step = (e.shiftKey ? 0.2 : 0.02) * radius;
    if (!arrow) return;
    e.preventDefault();
    e.stopPropagation(); // JupyterLab would move to the next cell
    move(getZ().map((v, i) => clamp(v + step * arrow[i], center[i] - radius, center[i] + radius)));
  });
  cross.addEventListener("keyup", (e) => { if (ARROWS[e.key]) done(); });
  return cross;
}

// A button that moves z outwards from the cloud until it is stopped or three radii away.
// Where the reader's system asks for less motion, a press makes one step.
function makeWalk({ now, getZ, move, done, showAll }) {
  const button = h("button", { type: "button", class: "dw-button" });
  let frame = 0;
  const label = () => {
    button.textContent = frame ? "Stop" : calm() ? "Step off the cloud" : "Walk off the cloud";
    button.setAttribute("aria-pressed", String(frame !== 0));
  };
  const isFar = () => distanceFrom(now().cloud, getZ()) >= 3 * now().cloud.radius;
  const step = (share) => move(stepOut(now().cloud, getZ(), share * now().cloud.radius));
  const stop = () => { if (frame) { cancelAnimationFrame(frame); frame = 0; label(); } };
  const go = () => {
    let before = performance.now();
    const tick = (time) => {
      step((0.4 * clamp(time - before, 0, 100)) / 1000); // 0.4 radii a second
      before = time;
      frame = requestAnimationFrame(tick);
      if (isFar()) { stop(); done(); }
    };
    frame = requestAnimationFrame(tick);
    label();
  };
  button.addEventListener("click", () => {
    if (frame) { stop(); done(); return; }
    showAll();
    if (isFar()) move(now().cloud.center);
    if (calm()) { step(0.25); done(); } else go();
  });
  label();
  return { button, stop };
}

// What lies nearest: the code (a ring on the map), the training picture (a thumbnail with its name), and how far it is.
function makeNearest(model, onLoad) {
  const tile = model.get("tile"), count = model.get("num_pictures"), names = model.get("names"), sprite = new Image();
  const thumbnail = h("canvas", { class: "dw-thumb", width: tile, height: tile, role: "img" });
  const caption = h("span", { class: "dw-near" }), readout = h("output", { class: "dw-readout", "aria-live": "off" });
  const ring = h("circle", { r: 7, class: "dw-ring" });
  const below = h("figcaption", {}, `nearest of ${count} training pictures`, h("br"), caption);
  const figure = count ? [h("figure", { class: "dw-figure" }, thumbnail, below)] : [];
  if (count) {
    sprite.addEventListener("load", onLoad);
    sprite.src = URL.createObjectURL(new Blob([model.get("sprite")], { type: "image/png" }));
  }
  const showPicture = (index) => {
    if (sprite.complete && sprite.naturalWidth) {
      const columns = sprite.naturalWidth / tile, from = [(index % columns) * tile, Math.floor(index / columns) * tile];
      thumbnail.getContext("2d").drawImage(sprite, ...from, tile, tile, 0, 0, tile, tile);
    }
    caption.textContent = names[index] ?? "";
    thumbnail.setAttribute("aria-label", ["Nearest training picture", names[index]].filter(Boolean).join(": "));
    return names[index] ? `, nearest picture ${names[index]}` : "";
  };
  const update = ({ codes, gap }, view, z) => { // returns words for those who listen
    const { index, distance } = nearest(codes, z), where = distance <= 3 * gap ? "in the cloud" : "off the cloud";
    const code = [codes[2 * index], codes[2 * index + 1]], [x, y] = toMap(view, ...code);
    ring.setAttribute("cx", x); ring.setAttribute("cy", y);
    ring.style.display = holds(view, code) ? "" : "none";
    const away = show(distance, decimals(gap)), times = gap ? `, ${show(distance / gap, 1)} times the usual gap` : "";
    readout.textContent = `Nearest code ${away} away${times}: ${where}.`;
    return where + (count ? showPicture(nearest(codes, z, count).index) : "");
  };
  return { figure, readout, ring, update, stop: () => URL.revokeObjectURL(sprite.src) };
}

// ---- the widget

function render({ model, el }) {
  const models = new Map(model.get("models").map((entry) => [entry.label, prepare(entry)]));
  const labels = model.get("labels").byteLength ? model.get("labels") : null, groups = model.get("group_names");
  const getZ = () => model.get("z");
  let now = models.get(model.get("model")), view = null, drawn = {};
  let frozen = false; // while a drag lasts, the map does not move under the hand

  // changes: JavaScript moves z, Python hears of it when the hand lets go
  const tidy = (v) => { // five figures are enough
    const unit = 10 ** (Math.floor(Math.log10(now.cloud.radius)) - 4);
    return Number((Math.round(v / unit) * unit).toPrecision(12));
  };
  const move = (z) => { frozen = false; model.set("z", z.map(tidy)); };
  const byHand = (z) => { walk.stop(); frozen = true; model.set("z", z.map(tidy)); };
  const done = () => { frozen = false; ask(); model.save_changes(); };

  // elements
  const ask = frames(el, () => paint());
  const tell = (name, value) => { model.set(name, value); model.save_changes(); };
  const showAll = () => model.set("zoom", 1);
  const walk = makeWalk({ now: () => now, getZ, move, done, showAll }), near = makeNearest(model, ask), grid = makeGrid();
  const dots = (_, group) => h("path", { class: `dw-dot dw-g${group % NUM_COLOURS}` });
  const paths = Array.from({ length: Math.max(1, groups.length) }, dots), axes = h("g");
  const about = { role: "img", "aria-label": "Codes of the pictures" };
  const svg = h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "dw-plot", ...about },
    h("rect", { x: LEFT, y: TOP, width: SIZE, height: SIZE, class: "dw-frame" }), axes, ...paths, near.ring,
    h("text", { x: LEFT + SIZE - 4, y: TOP + SIZE - 6, "text-anchor": "end", class: "dw-axis" }, "z₁"),
    h("text", { x: LEFT + 6, y: TOP + 14, class: "dw-axis" }, "z₂"));
  const map = h("div", { class: "dw-map" }, grid.canvas, svg);
  const cross = makeCross(map, svg, { getZ, getView: () => view, move: byHand, done });
  const zoomBy = (sign, label, factor) => h("button", { type: "button", class: "dw-button", "aria-label": label,
    onclick: () => tell("zoom", clamp(model.get("zoom") * factor, 1, MAX_ZOOM)) }, sign);
  const zoomIn = zoomBy("+", "Zoom in on the cross", 2), zoomOut = zoomBy("\u2212", "Zoom out", 0.5);
  map.append(cross, h("div", { class: "dw-zoom" }, zoomIn, zoomOut));
  const picture = h("canvas", { class: "dw-picture", role: "img" });
  const sliders = ["z₁", "z₂"].map((label, axis) => slider({
    label, min: -1, max: 1, step: 0.01, limits: [-1e6, 1e6], onDone: done,
    onInput: (v) => byHand(getZ().map((old, i) => (i === axis ? v : old))),
  }));
  const gridBox = h("input", { type: "checkbox", onchange: () => tell("grid", gridBox.checked) }), choiceId = freshId();
  const choice = h("select", { id: choiceId, class: "dw-select", onchange: () => tell("model", choice.value) },
    ...[...models.keys()].map((label) => h("option", { value: label }, label)));
  const back = h("button", { type: "button", class: "dw-button", onclick: () => {
    const { index } = nearest(now.codes, getZ());
    walk.stop(); move([now.codes[2 * index], now.codes[2 * index + 1]]); done();
  } }, "Back to the nearest code");

  // drawing: the map only when it changed, everything else at every step
  const drawMap = () => {
    drawAxes(axes, view);
    drawCodes(paths, now.codes, labels, view);
    const { center, radius } = view;
    sliders.forEach((s, axis) => s.range(center[axis] - radius, center[axis] + radius, radius / 200));
    choice.value = now.label;
    [zoomIn.disabled, zoomOut.disabled] = [drawn.zoom >= MAX_ZOOM, drawn.zoom <= 1];
    gridBox.checked = drawn.grid;
    grid.canvas.hidden = !drawn.grid;
    if (drawn.grid) grid.start(now, view); else grid.stop();
  };
  const paint = () => {
    const z = getZ(), wanted = { grid: model.get("grid"), zoom: model.get("zoom") };
    now = wanted.now = models.get(model.get("model")) ?? now;
    const before = now === drawn.now ? view : null;
    if (!frozen || !before || wanted.zoom !== drawn.zoom) view = viewSquare(now.cloud, z, wanted.zoom, before);
    [wanted.left, wanted.bottom, wanted.radius] = [...view.center, view.radius];
    if (Object.keys(wanted).some((key) => wanted[key] !== drawn[key])) { drawn = wanted; drawMap(); }
    const [x, y] = toMap(view, ...z), digits = decimals(now.cloud.radius / 100);
    const point = `z = (${show(z[0], digits)}, ${show(z[1], digits)})`, where = near.update(now, view, z);
    cross.style.left = `${(100 * x) / WIDTH}%`; cross.style.top = `${(100 * y) / HEIGHT}%`;
    cross.setAttribute("aria-valuenow", z[0]); cross.setAttribute("aria-valuetext", `${point}, ${where}`);
    drawPicture(picture, now.decode(z), now.shape);
    picture.setAttribute("aria-label", `Picture decoded at ${point}`);
    sliders.forEach((s, axis) => s.set(z[axis], `${show(z[axis], digits)}, ${where}`, digits));
  };

  // together
  const bar = h("div", { class: "dw-bar" }, walk.button, back, h("label", { class: "dw-check" }, gridBox, "Decoded grid"));
  if (models.size > 1) bar.prepend(h("label", { for: choiceId, class: "dw-name" }, model.get("choice_label")), choice);
  const decoded = h("figure", { class: "dw-figure" }, picture, h("figcaption", {}, "decoded"));
  const main = h("div", { class: "dw-main" }, map, h("div", { class: "dw-side" }, decoded, ...near.figure));
  el.append(bar, main, near.readout, h("div", { class: "dw-sliders" }, ...sliders.map((s) => s.element)));
  if (groups.length > 1) el.append(legend(groups, paths));
  const listen = listener(model);
  listen(["z", "model", "grid", "zoom"], ask);
  ask.now();
  return () => { for (const part of [walk, near, grid, listen, ask]) part.stop(); };
}

export default asWidget(render);
