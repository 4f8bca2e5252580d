// A map of a two-dimensional latent space. The decoder runs in the browser while the cross is dragged.
import { cloudSquare, distanceFrom, gridPoints, nearest, stepOut, usualGap, viewSquare } from "./latent_numbers.js";
import { compile } from "./nn.js";
import { asWidget, calm, clamp, decimals, drawPicture, frames, freshId, h, listener, show, slider, ticks } from "./ui.js";

// ---- the map: an SVG for the codes, over it a cross that can be grabbed

const SIZE = 320, LEFT = 34, TOP = 8, WIDTH = LEFT + SIZE + 8, HEIGHT = TOP + SIZE + 26;
const SHAPES = ["m-3,0a3,3 0 1,0 6,0a3,3 0 1,0-6,0z", "m-2.7-2.7h5.4v5.4h-5.4z", "m0-3.6l3.4,6h-6.8z", "m0-3.7l3.7,3.7l-3.7,3.7l-3.7-3.7z", "m0,3.6l3.4-6h-6.8z"];
const NUM_COLOURS = 10;

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
      const place = axis ? { x: LEFT - 5, y: y + 4, "text-anchor": "end" } : { x, y: TOP + SIZE + 15, "text-anchor": "middle" };
      parts.push(h("line", { ...ends, class: v === 0 ? "dw-zero" : "dw-grid" }));
      parts.push(h("text", { ...place, class: "dw-tick" }, String(v).replace("-", "\u2212")));
    }
  }
  axes.replaceChildren(...parts);
}

function drawCodes(paths, codes, labels, view) {
  const d = paths.map(() => "");
  for (let i = 0; i < codes.length / 2; i++) {
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
  const cross = h("div", { class: "dw-cross", role: "slider", tabindex: 0, "aria-label": "Point z on the map, moved by the arrow keys", "aria-roledescription": "point on a map" });
  let offset = null;
  const pointer = (e) => {
    const box = svg.getBoundingClientRect();
    return [((e.clientX - box.left) / box.width) * WIDTH, ((e.clientY - box.top) / box.height) * HEIGHT];
  };
  const follow = (e) => {
    const [px, py] = pointer(e);
    move(fromMap(getView(), clamp(px - offset[0], LEFT, LEFT + SIZE), clamp(py - offset[1], TOP, TOP + SIZE)), true);
  };
  const release = () => { if (offset) { offset = null; done(); } };
  map.addEventListener("pointerdown", (e) => {
    if (e.button > 0) return;
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
    const arrow = ARROWS[e.key], view = getView(), step = (e.shiftKey ? 0.2 : 0.02) * view.radius;
    if (!arrow) return;
    e.preventDefault();
    e.stopPropagation(); // JupyterLab would move to the next cell
    move(getZ().map((v, i) => clamp(v + step * arrow[i], view.center[i] - view.radius, view.center[i] + view.radius)), true);
  });
  cross.addEventListener("keyup", (e) => { if (ARROWS[e.key]) done(); });
  return cross;
}

// ---- the widget

function render({ model, el }) {
  const models = new Map(model.get("models").map((entry) => [entry.label, prepare(entry)]));
  const labels = model.get("labels").byteLength ? model.get("labels") : null;
  const groups = model.get("group_names"), names = model.get("names"), numPictures = model.get("num_pictures");
  const tile = model.get("tile"), sprite = new Image();
  let now = models.get(model.get("model")), view = viewSquare(now.cloud, model.get("z")), drawn = null, walking = 0;

  // elements
  const paths = Array.from({ length: Math.max(1, groups.length) }, (_, group) => h("path", { class: `dw-dot dw-g${group % NUM_COLOURS}` }));
  const axes = h("g"), ring = h("circle", { r: 7, class: "dw-ring" });
  const svg = h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "dw-plot", role: "img", "aria-label": "Codes of the pictures, coloured by group" },
    h("rect", { x: LEFT, y: TOP, width: SIZE, height: SIZE, class: "dw-frame" }), axes, ...paths, ring,
    h("text", { x: LEFT + SIZE - 4, y: TOP + SIZE - 6, "text-anchor": "end", class: "dw-axis" }, "z\u2081"),
    h("text", { x: LEFT + 6, y: TOP + 14, class: "dw-axis" }, "z\u2082"));
  const grid = makeGrid(), map = h("div", { class: "dw-map" }, grid.canvas, svg);
  const gridBox = h("input", { type: "checkbox", onchange: () => { model.set("grid", gridBox.checked); model.save_changes(); } });
  const picture = h("canvas", { class: "dw-picture", role: "img", "aria-label": "Decoded picture" });
  const thumbnail = h("canvas", { class: "dw-thumb", width: tile, height: tile, role: "img", "aria-label": "Nearest training picture" });
  const nearName = h("span", { class: "dw-near" }), readout = h("output", { class: "dw-readout", "aria-live": "off" });
  const choiceId = freshId();
  const choice = h("select", { id: choiceId, class: "dw-select", onchange: () => { model.set("model", choice.value); model.save_changes(); } },
    ...[...models.keys()].map((label) => h("option", { value: label }, label)));
  const walk = h("button", { type: "button", class: "dw-button", "aria-pressed": "false" });
  const back = h("button", { type: "button", class: "dw-button" }, "Back to the nearest code");

  // changes
  const tidy = (v) => { const unit = 10 ** (Math.floor(Math.log10(now.cloud.radius)) - 4); return Number((Math.round(v / unit) * unit).toPrecision(12)); };
  const move = (z, keepView = false) => { frozen = keepView; model.set("z", z.map(tidy)); };
  const done = () => { frozen = false; ask(); model.save_changes(); };
  let frozen = false; // while a drag lasts, the map does not move under the hand
  const byHand = (z) => { stopWalk(); move(z, true); };
  const cross = makeCross(map, svg, { getZ: () => model.get("z"), getView: () => view, move: byHand, done });
  map.append(cross);
  const sliders = [0, 1].map((axis) => slider({
    label: axis ? "z\u2082" : "z\u2081", min: -1, max: 1, step: 0.01, onDone: done,
    onInput: (v) => { const z = [...model.get("z")]; z[axis] = v; byHand(z); },
  }));

  // the walk
  const label = () => { walk.textContent = walking ? "Stop" : calm() ? "Step off the cloud" : "Walk off the cloud"; walk.setAttribute("aria-pressed", Boolean(walking)); };
  const farthest = () => distanceFrom(now.cloud, model.get("z")) >= 3 * now.cloud.radius;
  const stopWalk = () => { if (walking) { cancelAnimationFrame(walking); walking = 0; label(); } };
  const startWalk = () => {
    let before = performance.now();
    const tick = (time) => {
      move(stepOut(now.cloud, model.get("z"), (clamp(time - before, 0, 100) / 1000) * 0.4 * now.cloud.radius));
      before = time;
      walking = requestAnimationFrame(tick);
      if (farthest()) { stopWalk(); done(); }
    };
    walking = requestAnimationFrame(tick);
    label();
  };
  walk.addEventListener("click", () => {
    if (walking) { stopWalk(); done(); return; }
    if (farthest()) move(now.cloud.center);
    if (calm()) { move(stepOut(now.cloud, model.get("z"), 0.25 * now.cloud.radius)); done(); } else startWalk();
  });
  back.addEventListener("click", () => {
    const { index } = nearest(now.codes, model.get("z"));
    stopWalk(); move([now.codes[2 * index], now.codes[2 * index + 1]]); done();
  });

  // drawing
  const drawMap = () => {
    drawn = { now, radius: view.radius, grid: model.get("grid") };
    gridBox.checked = drawn.grid;
    grid.canvas.hidden = !drawn.grid;
    drawAxes(axes, view);
    drawCodes(paths, now.codes, labels, view);
    if (model.get("grid")) grid.start(now, view);
    sliders.forEach((s, axis) => s.range(view.center[axis] - view.radius, view.center[axis] + view.radius, view.radius / 200));
  };
  const drawNear = (z) => {
    const { index, distance } = nearest(now.codes, z), times = distance / now.gap;
    const near = numPictures ? nearest(now.codes, z, numPictures).index : -1;
    const [cx, cy] = toMap(view, now.codes[2 * index], now.codes[2 * index + 1]);
    ring.setAttribute("cx", cx); ring.setAttribute("cy", cy);
    if (near >= 0 && sprite.complete && sprite.naturalWidth) {
      const columns = sprite.naturalWidth / tile;
      thumbnail.getContext("2d").drawImage(sprite, (near % columns) * tile, Math.floor(near / columns) * tile, tile, tile, 0, 0, tile, tile);
    }
    const name = near >= 0 && names.length ? names[near] : "";
    nearName.textContent = name;
    thumbnail.setAttribute("aria-label", `Nearest training picture${name ? ": " + name : ""}`);
    const where = times <= 3 ? "in the cloud" : "off the cloud";
    readout.textContent = `Nearest code ${show(distance, decimals(now.gap))} away, ${show(times, 1)} times the usual gap: ${where}.`;
    return `${where}${name ? ", nearest picture " + name : ""}`;
  };
  const paint = () => {
    const z = model.get("z");
    now = models.get(model.get("model")) ?? now;
    choice.value = now.label;
    if (!frozen || drawn?.now !== now) view = viewSquare(now.cloud, z);
    if (drawn?.now !== now || drawn.radius !== view.radius || drawn.grid !== model.get("grid")) drawMap();
    const [x, y] = toMap(view, ...z);
    cross.style.left = `${(100 * x) / WIDTH}%`; cross.style.top = `${(100 * y) / HEIGHT}%`;
    drawPicture(picture, now.decode(z), now.shape);
    const digits = decimals(now.cloud.radius / 100), point = `z = (${show(z[0], digits)}, ${show(z[1], digits)})`, where = drawNear(z);
    picture.setAttribute("aria-label", `Picture decoded at ${point}`);
    cross.setAttribute("aria-valuenow", z[0]); cross.setAttribute("aria-valuetext", `${point}, ${where}`);
    sliders.forEach((s, axis) => s.set(z[axis], `${show(z[axis], digits)}, ${where}`, digits));
  };
  const ask = frames(el, paint);

  // together
  const top = h("div", { class: "dw-bar" });
  if (models.size > 1) top.append(h("label", { for: choiceId, class: "dw-name" }, model.get("choice_label")), choice);
  top.append(walk, back, h("label", { class: "dw-check" }, gridBox, "Decoded grid"));
  const side = h("div", { class: "dw-side" }, h("figure", { class: "dw-figure" }, picture, h("figcaption", {}, "decoded")));
  if (numPictures) side.append(h("figure", { class: "dw-figure" }, thumbnail, h("figcaption", {}, "nearest training picture", h("br"), nearName)));
  el.append(top, h("div", { class: "dw-main" }, map, side), readout, h("div", { class: "dw-sliders" }, ...sliders.map((s) => s.element)));
  if (groups.length > 1) el.append(legend(groups, paths));
  label();
  if (numPictures) {
    sprite.addEventListener("load", ask);
    sprite.src = URL.createObjectURL(new Blob([model.get("sprite")], { type: "image/png" }));
  }
  const listen = listener(model);
  listen(["z", "model", "grid"], ask);
  ask.now();
  return () => { stopWalk(); grid.stop(); listen.stop(); ask.stop(); URL.revokeObjectURL(sprite.src); };
}

export default asWidget(render);
