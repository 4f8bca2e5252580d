// A picture, the channels of its latent as maps, and what the decoder makes of them, also after a change.
import { diverging } from "./colour_numbers.js";
import { buttonControl, listControl } from "./controls.js";
import { changed, changedIndex, latentOf, middleOf, placeOf, squareOf } from "./latent_places.js";
import { openSheet, put } from "./sheets.js";
import { asWidget, clamp, decimals, frames, h, listener, show } from "./ui.js";

const SAID = { flip: "× −1", zero: "× 0", "-2": "−2 sd", "-1": "−1 sd", "": "as it is", "+1": "+1 sd", "+2": "+2 sd" };
const WORDS = { flip: "times −1", zero: "times 0", "-2": "minus two standard deviations", "-1": "minus one standard deviation",
  "": "as it is", "+1": "plus one standard deviation", "+2": "plus two standard deviations" };

// A slider over a few named values.
function stops(title, labels, { move, done }) {
  const last = labels.length - 1, value = h("output", { class: "dw-stop-now" });
  const input = h("input", { type: "range", class: "dw-range", min: 0, max: last, step: 1, "aria-label": title, oninput: () => move(Number(input.value)), onchange: done });
  const marks = labels.map((label, i) => h("span", { style: `left:${(100 * i) / last}%` }, label));
  const element = h("div", { class: "dw-stops" }, h("span", { class: "dw-name" }, title), h("div", { class: "dw-stop-track" }, input, h("div", { class: "dw-stop-marks", "aria-hidden": "true" }, ...marks)), value);
  return { element, set(index, words) {
    input.value = index;
    input.setAttribute("aria-valuetext", words);
    marks.forEach((mark, i) => mark.classList.toggle("dw-stop-here", i === index));
  } };
}

// A canvas with a marked square. Pointing and arrow keys tell `point(row, column)` in the grid of `grid()`.
function pointed({ canvas, label, grid, now, point, done, keys = true }) {
  const marker = h("div", { class: "dw-cell", "aria-hidden": "true" });
  const box = h("div", { class: "dw-cells dw-latent-cells", ...(keys ? { role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0 } : {}) }, canvas, marker);
  const follow = (e) => {
    const place = canvas.getBoundingClientRect(), [rows, columns] = grid(), to = (v, size, n) => clamp(Math.floor((v / size) * n), 0, n - 1);
    point(to(e.clientY - place.top, place.height, rows), to(e.clientX - place.left, place.width, columns));
  };
  box.addEventListener("pointermove", follow);
  box.addEventListener("pointerdown", (e) => { if (e.button <= 0) follow(e); });
  for (const end of ["pointerleave", "pointerup"]) box.addEventListener(end, done);
  const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  box.addEventListener("keydown", (e) => {
    const step = keys && ARROWS[e.key];
    if (!step) return;
    e.preventDefault();
    const [row, column] = now(), [rows, columns] = grid();
    point(clamp(row + step[0], 0, rows - 1), clamp(column + step[1], 0, columns - 1));
    done();
  });
  const mark = ({ top, left, height, width }, [tall, wide], number, count, words) => {
    for (const [name, v] of [["top", top / tall], ["left", left / wide], ["height", height / tall], ["width", width / wide]]) marker.style[name] = `${100 * v}%`;
    if (!keys) return;
    box.setAttribute("aria-valuenow", number);
    box.setAttribute("aria-valuemax", count - 1);
    box.setAttribute("aria-valuetext", words);
  };
  return { box, mark };
}

function table(stages, title) { // the numbers of all stages, side by side
  const labels = [...new Set(stages.flatMap(({ numbers }) => numbers.map(([label]) => label)))];
  const rows = [["numbers kept", stages.map(({ kept }) => kept)],
    ...labels.map((label) => [label, stages.map(({ numbers }) => numbers.find(([name]) => name === label)?.[1] ?? "–")])];
  const heads = stages.map(({ label }) => h("th", { scope: "col" }, label));
  const cells = rows.map(([, values]) => values.map((value) => h("td", {}, value)));
  const element = h("div", { class: "dw-stage-scroll" }, h("table", { class: "dw-stage-table" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, title), ...heads)),
    h("tbody", {}, ...rows.map(([label], i) => h("tr", {}, h("th", { scope: "row" }, label), ...cells[i])))));
  return { element, set: (now) => [heads, ...cells].forEach((row) => row.forEach((cell, i) => cell.classList.toggle("dw-stage-now", i === now))) };
}

// ---- the widget

function render({ model, el }) {
  const stages = model.get("stages"), names = model.get("names"), picture = model.get("shape"), edits = model.get("edits"), title = model.get("title");
  const changes = edits.filter(([name]) => name), done = () => model.save_changes(), sheets = model.get("sheets");
  const stageNow = () => Math.max(0, stages.findIndex(({ label }) => label === model.get("stage")));
  const mapsOf = () => stages[stageNow()].shape.slice(1), place = () => placeOf(model.get("pixel"), picture, mapsOf());
  const setPixel = (pixel) => { const old = model.get("pixel"); if (old[0] !== pixel[0] || old[1] !== pixel[1]) model.set("pixel", pixel); };
  const setPlace = (row, column) => setPixel(middleOf([row, column], picture, mapsOf()));
  const tell = (changes_) => { for (const [name, value] of Object.entries(changes_)) model.set(name, value); done(); };
  const ask = frames(el, () => paint());
  let first = null, second = null, drawn = null, maps = [], channels = null;

  // elements
  const thumbs = names.map((name, i) => {
    const canvas = h("canvas", { class: "dw-picture dw-choice-picture", "aria-hidden": "true" });
    return { canvas, button: h("button", { type: "button", class: "dw-button dw-choice", onclick: () => tell({ picture: i }) }, canvas, h("span", {}, name)) };
  });
  const goTo = (i) => { const channel = Math.min(model.get("channel"), stages[i].shape[0] - 1); model.set("channel", channel); model.set("stage", stages[i].label); };
  const ladder = stages.length > 1 ? stops(title, stages.map(({ label }) => label), { move: goTo, done }) : null;
  const edit = stops("change", edits.map(([name]) => SAID[name]), { move: (i) => model.set("edit", edits[i][0]), done });
  const triple = ["picture", "decoded", "decoded after the change"].map((caption, i) => {
    const canvas = h("canvas", { class: "dw-picture dw-large", role: "img", width: picture[1], height: picture[0] }), words = h("span");
    const at = pointed({ canvas, label: "Place in the picture", keys: i === 0, now: place, done, grid: mapsOf, point: setPlace });
    return { canvas, words, caption, at, figure: h("figure", { class: "dw-figure" }, at.box, h("figcaption", {}, h("b", {}, caption), " ", words)) };
  });
  const grid = h("div", { class: "dw-maps" }), readout = h("output", { class: "dw-readout", "aria-live": "off" }), editRow = h("div", { class: "dw-edit-row" });
  const scale = h("div", { class: "dw-colours" }, h("span"), h("span", { class: "dw-colour-bar", "aria-hidden": "true" }), h("span"));
  const numbers = table(stages, title);

  const build = (stage) => { // the maps and the buttons of the channels: anew for another autoencoder
    const count = stage.shape[0], labels = Array.from({ length: count }, (_, c) => String(c + 1));
    maps = labels.map((label, c) => {
      const canvas = h("canvas", { class: "dw-picture dw-map-picture", role: "img" }), value = h("b"), at = pointed({ canvas, label: `Place in channel ${label}`, grid: mapsOf, now: place, point: setPlace, done });
      const figure = h("figure", { class: "dw-figure" }, at.box, h("figcaption", {}, `channel ${label} `, value));
      return { canvas, value, at, figure, c };
    });
    grid.replaceChildren(...maps.map(({ figure }) => figure));
    channels = count < 2 ? null : (count <= 8 ? buttonControl : listControl)({ title: "channel", labels }, { move: (c) => tell({ channel: c }), done() {} });
    editRow.replaceChildren(...(channels ? [channels.element] : []), edit.element);
    scale.firstChild.textContent = `≤ ${show(-stage.limit, decimals(stage.limit))}`;
    scale.lastChild.textContent = `≥ ${show(stage.limit, decimals(stage.limit))}`;
  };

  const paint = () => {
    const s = stageNow(), stage = stages[s], [count, rows, columns] = stage.shape, i = model.get("picture"), channel = clamp(model.get("channel"), 0, count - 1);
    if (drawn !== s) { drawn = s; build(stage); }
    const name = model.get("edit"), index = edits.findIndex(([other]) => other === name), [, factor, shift] = edits[index], area = rows * columns;
    const latent = changed(latentOf(stage.latents, stage.unit, i, stage.shape), area, channel, factor, shift * stage.std[channel]);
    const at = place(), cell = at[0] * columns + at[1], values = maps.map((_, c) => latent[c * area + cell]), digits = decimals(stage.limit) + 1;
    const square = squareOf(at, picture, [rows, columns]), words = `row ${at[0] + 1}, column ${at[1] + 1}, ${values.map((v) => show(v, digits)).join(", ")}`;
    thumbs.forEach(({ button }, k) => button.setAttribute("aria-pressed", String(k === i)));
    ladder?.set(s, `${title} ${stage.label}`);
    channels?.set(channel);
    edit.set(index, `channel ${channel + 1} ${WORDS[name]}`);
    numbers.set(s);
    for (const { canvas, value, at: box, c, figure } of maps) {
      put(canvas, new ImageData(diverging(latent.subarray(c * area, (c + 1) * area), stage.limit), columns));
      value.textContent = show(values[c], digits);
      box.mark(squareOf(at, [rows, columns], [rows, columns]), [rows, columns], cell, area, words);
      canvas.setAttribute("aria-label", `Channel ${c + 1} of ${names[i]}${name && c === channel ? `, ${WORDS[name]}` : ""}`);
      figure.classList.toggle("dw-map-changed", Boolean(name) && c === channel);
    }
    for (const { at: box } of triple) box.mark(square, picture, cell, area, words);
    triple.forEach(({ canvas, caption }) => canvas.setAttribute("aria-label", `${names[i]}: ${caption}`));
    const side = square.height === square.width ? `${square.height} × ${square.width}` : `${square.height} by ${square.width}`;
    readout.textContent = `Row ${at[0] + 1}, column ${at[1] + 1}: ${side} pixels, z = (${values.map((v) => show(v, digits)).join(", ")})`;
    triple[1].words.textContent = `${stage.psnr[i]} dB`;
    triple[2].words.textContent = name ? `channel ${channel + 1} ${SAID[name]}` : "nothing changed";
    if (!first) return;
    put(triple[0].canvas, first.at(i));
    put(triple[1].canvas, first.at(names.length * (s + 1) + i));
    put(triple[2].canvas, name ? second.at(changedIndex(stages, s, names.length, i, channel, changes.findIndex(([other]) => other === name), changes.length)) : first.at(names.length * (s + 1) + i));
  };

  // together
  el.append(...(names.length > 1 ? [h("div", { class: "dw-bar dw-choices" }, ...thumbs.map(({ button }) => button))] : []), ...(ladder ? [ladder.element] : []),
    h("div", { class: "dw-triple" }, ...triple.map(({ figure }) => figure)), editRow, readout, grid, scale, numbers.element);
  Promise.all([openSheet(sheets.picture, sheets.picture_columns, picture), openSheet(sheets.edited, sheets.edited_columns, picture)])
    .then(([one, two]) => { [first, second] = [one, two]; thumbs.forEach(({ canvas }, i) => put(canvas, first.at(i))); ask(); })
    .catch((error) => { el.prepend(h("p", { class: "dw-error", role: "alert" }, `The pictures could not be opened here (${error.message}).`)); });
  const listen = listener(model);
  listen(["picture", "stage", "pixel", "channel", "edit"], ask);
  ask.now();
  return () => { listen.stop(); ask.stop(); };
}

export default asWidget(render);
