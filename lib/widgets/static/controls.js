// Controls for one of a few values: a slider with a play button, a row of buttons, a list.
import { player } from "./player.js";
import { clamp, freshId, h } from "./ui.js";

const FEW = 8, LETTERS = 44, MARKS = 11; // so many words fit into a row of buttons, so many values under a slider

// ---- one control for an axis; `set` shows an index, `show` hides or shows it

export function sliderControl({ title, labels }, { move, done }) {
  const last = labels.length - 1, rate = clamp(last / 5, 1.5, 12); // values a second
  let place = 0, now = 0;
  const input = h("input", { type: "range", min: 0, max: last, step: 1, class: "dw-range", "aria-label": title });
  const value = h("output", { class: "dw-frame-value" });
  const play = player({ label: `Play ${title}`, done, stride: 1 / rate, begin: () => { place = now >= last ? 0 : now; if (now >= last) move(0); },
    advance: (seconds) => { place = Math.min(last, place + seconds * rate); move(Math.floor(place + 1e-9)); return place < last; } });
  input.addEventListener("input", () => { play.stop(); move(Number(input.value)); });
  input.addEventListener("change", done);
  const marked = labels.length <= MARKS ? [...labels.keys()] : [0, last];
  const ends = h("div", { class: "dw-frame-ends", "aria-hidden": "true" }, ...marked.map((i) => h("span", { style: `left:${(100 * i) / last}%` }, labels[i])));
  const element = h("div", { class: "dw-frame-axis" }, play.button,
    h("div", { class: "dw-frame-track" }, input, ends), h("div", { class: "dw-frame-now" }, h("span", { class: "dw-name" }, title), value));
  return { element, stop: play.stop, set(index) {
    now = index;
    input.value = index;
    input.setAttribute("aria-valuetext", `${title} ${labels[index]}`);
    value.textContent = labels[index];
  } };
}

export function buttonControl({ title, labels }, { move, done }) {
  const name = freshId();
  const inputs = labels.map((_, i) => h("input", { type: "radio", name, id: freshId(), onchange: () => { move(i); done(); } }));
  const element = h("fieldset", { class: "dw-segments" }, h("legend", {}, title),
    ...inputs.map((input, i) => h("span", { class: "dw-segment" }, input, h("label", { for: input.id }, labels[i]))));
  return { element, stop() {}, set(index) { inputs.forEach((input, i) => { input.checked = i === index; }); } };
}

export function listControl({ title, labels }, { move, done }) {
  const id = freshId(), element = h("select", { id, class: "dw-select", onchange: () => { move(Number(element.value)); done(); } },
    ...labels.map((label, i) => h("option", { value: i }, label)));
  return { element: h("div", { class: "dw-pair" }, h("label", { for: id, class: "dw-name" }, title), element), stop() {},
    set(index) { element.value = index; } };
}

export function control(axis, tell) {
  if (axis.ordered && axis.labels.length > 2) return sliderControl(axis, tell);
  const short = axis.labels.length <= FEW && axis.labels.join("").length <= LETTERS;
  return (short ? buttonControl : listControl)(axis, tell);
}
