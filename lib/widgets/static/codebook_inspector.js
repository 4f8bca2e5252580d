// A picture as a grid of codes: pick a place, try another code there, and the decoder runs in the browser.
import { blended, embed, nearestCode, putVector, usage } from "./codebook_numbers.js";
import { compile } from "./nn.js";
import { asWidget, clamp, drawPicture, frames, freshId, h, listener, show, slider } from "./ui.js";

const BARS = { width: 320, height: 84 };

const numbers = (view, bytes, read) => Array.from({ length: view.byteLength / bytes }, (_, i) => view[read](bytes * i, true));

function usageChart({ order, share, used, perplexity }, pick) {
  const step = BARS.width / order.length, top = share[order[0]];
  const bar = (code, place) => {
    const height = (BARS.height - 2) * Math.sqrt(share[code] / top); // linear bars would hide all but a few
    return `M${(place * step).toFixed(2)},${BARS.height}v${(-height).toFixed(2)}h${(0.85 * step).toFixed(2)}v${height.toFixed(2)}z`;
  };
  const marked = h("path", { class: "dw-bar-now" });
  const label = `Use of the ${order.length} codes over all pictures, most used first: ${used} in use, perplexity ${show(perplexity, 1)}`;
  const svg = h("svg", { viewBox: `0 0 ${BARS.width} ${BARS.height + 4}`, class: "dw-plot dw-bars", preserveAspectRatio: "none",
    role: "img", "aria-label": label },
    h("path", { d: order.map(bar).join(""), class: "dw-bars-all" }), marked,
    h("line", { x1: 0, x2: BARS.width, y1: BARS.height, y2: BARS.height, class: "dw-zero" }));
  svg.addEventListener("click", (e) => {
    const box = svg.getBoundingClientRect();
    pick(order[clamp(Math.floor(((e.clientX - box.left) / box.width) * order.length), 0, order.length - 1)]);
  });
  const update = (code, rank) => { // the bar of the code now, as a band of full height, so that rare codes are seen too
    const x = (rank[code] * step).toFixed(2);
    marked.setAttribute("d", `M${x},0h${Math.max(step, 1.5).toFixed(2)}v${BARS.height}h${(-Math.max(step, 1.5)).toFixed(2)}z`);
  };
  return { svg, update };
}

// A picture of cells of which one is marked. A pointer picks, arrow keys move: `pick(number)` hears of both.
function cellPicker({ canvas, rows, columns, count, label, pick, now }) {
  const marker = h("div", { class: "dw-cell", "aria-hidden": "true" });
  const box = h("div", { class: "dw-cells", role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0,
    "aria-valuemax": count - 1 }, canvas, marker);
  [marker.style.width, marker.style.height] = [`${100 / columns}%`, `${100 / rows}%`];
  box.addEventListener("pointerdown", (e) => {
    if (e.button > 0) return;
    const place = canvas.getBoundingClientRect(), at = (v, size, n) => clamp(Math.floor((v / size) * n), 0, n - 1);
    const cell = at(e.clientY - place.top, place.height, rows) * columns + at(e.clientX - place.left, place.width, columns);
    if (cell < count) pick(cell);
  });
  const ARROWS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  box.addEventListener("keydown", (e) => {
    const step = ARROWS[e.key];
    if (!step) return;
    e.preventDefault();
    e.stopPropagation(); // JupyterLab would move to the next cell
    const wanted = now() + step;
    if (wanted >= 0 && wanted < count) pick(wanted);
  });
  const update = (cell, words) => {
    marker.style.left = `${(100 * (cell % columns)) / columns}%`;
    marker.style.top = `${(100 * Math.floor(cell / columns)) / rows}%`;
    box.setAttribute("aria-valuenow", cell);
    box.setAttribute("aria-valuetext", words);
  };
  return { box, update };
}

function drawTiles(canvas, tiles, count, side, columns) { // what each code decodes to on its own, in rows
  [canvas.width, canvas.height] = [columns * side, Math.ceil(count / columns) * side];
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  for (let k = 0; k < count; k++) {
    for (let i = 0; i < side * side; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = tiles.getUint8(3 * (k * side * side + i) + c);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, (k % columns) * side, Math.floor(k / columns) * side);
  }
}

function render({ model, el }) {
  const [count, dim] = model.get("codebook_shape"), [rows, columns] = model.get("grid_shape"), places = rows * columns;
  const codebook = Float32Array.from(numbers(model.get("codebook"), 4, "getFloat32"));
  const originals = numbers(model.get("originals"), 2, "getUint16"), use = usage(numbers(model.get("counts"), 4, "getUint32"));
  const names = model.get("names"), net = compile(model.get("program"), model.get("weights"), { inputShape: [dim, rows, columns] });

  // state and changes
  const original = (picture) => originals.slice(picture * places, (picture + 1) * places);
  const place = () => model.get("cell")[0] * columns + model.get("cell")[1];
  const code = () => model.get("codes")[place()];
  const tell = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const putCode = (k) => tell({ codes: model.get("codes").map((old, i) => (i === place() ? k : old)), blend: 0 });
  const choosePicture = (picture) => tell({ picture, codes: original(picture), blend: 0 });
  const chooseCell = (cell) => tell({ cell: [Math.floor(cell / columns), cell % columns], blend: 0 });

  // elements
  const ask = frames(el, () => paint());
  const canvas = h("canvas", { class: "dw-picture dw-inspected", role: "img" });
  const before = h("canvas", { class: "dw-thumb", role: "img", "aria-label": "The picture with its own codes" });
  const picker = cellPicker({ canvas, rows, columns, count: places, label: "Place in the grid of codes", pick: chooseCell, now: place });
  const tiles = h("canvas", { class: "dw-picture dw-tiles", "aria-hidden": "true" }), across = model.get("tile_columns");
  drawTiles(tiles, model.get("tiles"), count, model.get("tile"), across);
  const palette = cellPicker({ canvas: tiles, rows: Math.ceil(count / across), columns: across, count, label: "Code at this place",
    pick: putCode, now: code });
  const chart = usageChart(use, putCode), choiceId = freshId();
  const choice = h("select", { id: choiceId, class: "dw-select", onchange: () => choosePicture(Number(choice.value)) },
    ...names.map((name, i) => h("option", { value: i }, name)));
  const reset = h("button", { type: "button", class: "dw-button", onclick: () => choosePicture(model.get("picture")) }, "Back to its own codes");
  const likely = h("output", { class: "dw-readout", "aria-live": "off" }), between = h("output", { class: "dw-readout", "aria-live": "off" });
  const number = (label, name, put) => slider({ label, min: 0, max: count - 1, step: 1, digits: 0,
    onInput: (v) => put(Math.round(v)), onDone: () => model.save_changes() });
  const codeSlider = number("code", "code", (k) => model.set("codes", model.get("codes").map((old, i) => (i === place() ? k : old))));
  const otherSlider = number("towards", "other", (k) => model.set("other", k));
  const blendSlider = slider({ label: "how far", min: 0, max: 1, step: 0.01,
    onInput: (v) => model.set("blend", v), onDone: () => model.save_changes() });

  const words = (k) => (use.share[k] > 0 ? `${show(100 * use.share[k], 2)} % of all places` : "never used");
  const paint = () => {
    const codes = model.get("codes"), [row, column] = model.get("cell"), at = place(), now = codes[at];
    const other = model.get("other"), blend = model.get("blend"), own = original(model.get("picture"));
    const draw = (target, input) => drawPicture(target, net.run(input), net.shape);
    draw(before, embed(own, codebook, dim));
    const vector = blended(codebook, dim, now, other, blend), input = embed(codes, codebook, dim);
    draw(canvas, putVector(input, at, places, vector));
    const changed = codes.filter((k, i) => k !== own[i]).length;
    canvas.setAttribute("aria-label", `${names[model.get("picture")]}, decoded with ${changed} of ${places} codes changed`);
    picker.update(at, `row ${row + 1}, column ${column + 1}, code ${now}`);
    palette.update(now, `code ${now}, ${words(now)}`);
    chart.update(now, use.rank);
    likely.textContent = `Row ${row + 1}, column ${column + 1}: code ${now}, ${words(now)} (rank ${use.rank[now] + 1}). `
      + `${changed} of ${places} codes changed. ${use.used} of ${count} codes in use, perplexity ${show(use.perplexity, 1)}.`;
    const { index, distance } = nearestCode(codebook, dim, vector);
    const third = index === now ? "its own code" : index === other ? "the other code" : "a third code";
    between.textContent = blend === 0 ? "Move \u201chow far\u201d to leave the codebook." :
      `${show(100 * blend, 0)} % of the way from code ${now} to ${other}: nearest is ${index}, ${third}, ${show(distance, 2)} away.`;
    choice.value = model.get("picture");
    codeSlider.set(now, `code ${now}, ${words(now)}`, 0);
    otherSlider.set(other, `towards code ${other}`, 0);
    blendSlider.set(blend, between.textContent);
  };

  // together
  const bar = h("div", { class: "dw-bar" }, h("label", { for: choiceId, class: "dw-name" }, "picture"), choice, reset);
  const figure = (caption, ...parts) => h("figure", { class: "dw-figure" }, ...parts, h("figcaption", {}, caption));
  const side = h("div", { class: "dw-side" }, figure("what each code looks like alone; pick one", palette.box),
    figure("with its own codes", before));
  el.append(bar, h("div", { class: "dw-main" }, figure("decoded; pick a place", picker.box), side), likely,
    figure("how often each code is used, most used first (height: square root of its share); pick one", chart.svg),
    h("div", { class: "dw-sliders" }, codeSlider.element, otherSlider.element, blendSlider.element), between);
  const listen = listener(model);
  listen(["picture", "cell", "codes", "other", "blend"], ask);
  ask.now();
  return () => { listen.stop(); ask.stop(); };
}

export default asWidget(render);
