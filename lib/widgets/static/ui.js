// What all widgets share: building elements, one repaint a frame, sliders, pictures, messages.

const SVG = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "title", "defs", "marker", "polyline"]);
let counter = 0;
// No fixed ids: a widget may stand on a page twice.
export const freshId = () => `dw-${Math.random().toString(36).slice(2, 8)}-${counter++}`;

export function h(tag, props = {}, ...children) {
  const e = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") e.addEventListener(name.slice(2), value); // onclick: f
    else if (typeof value === "boolean" && name.startsWith("aria-")) e.setAttribute(name, String(value));
    else if (value !== false && value !== null && value !== undefined) e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children);
  return e;
}

export const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

// Plain numbers for readers, with a true minus sign and no minus before a zero.
export function show(v, digits = 2) {
  const text = Math.abs(v) >= 10000 ? v.toExponential(1) : v.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace(/-/g, "\u2212");
}

// How many decimals a quantity of this size needs to show two figures.
export const decimals = (size) => clamp(1 - Math.floor(Math.log10(Math.abs(size) || 1)), 0, 8);

// Round numbers between low and high, about `count` of them.
export function ticks(low, high, count = 5) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.7);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export function say(el, error) {
  let note = el.querySelector(":scope > .dw-error");
  if (!note) el.prepend((note = h("p", { class: "dw-error", role: "alert" })));
  note.textContent = `This figure stopped: ${error?.message ?? error}. The text beside it says the same in words.`;
}

// At most one repaint a frame, however many events arrive. `ask.now()` paints at once, `ask.stop()` ends it.
export function frames(el, paint) {
  let pending = 0;
  const run = () => { pending = 0; try { paint(); } catch (error) { say(el, error); } };
  const ask = () => { if (!pending) pending = requestAnimationFrame(run); };
  ask.now = () => { cancelAnimationFrame(pending); run(); };
  ask.stop = () => cancelAnimationFrame(pending);
  return ask;
}

// Remember what listens to the model, so that a view that goes away leaves nothing behind.
export function listener(model) {
  const heard = [];
  const listen = (names, f) => {
    for (const event of [names].flat().map((name) => `change:${name}`)) {
      model.on(event, f);
      heard.push([event, f]);
    }
  };
  listen.stop = () => { for (const [event, f] of heard) model.off(event, f); };
  return listen;
}

// A labelled slider with a number field. `set(v)` shows a value, `range(low, high)` moves the ends; both tell nobody.
// The kernel hears of a drag when it ends: onInput while moving, onDone on release. `limits`: what the field takes.
export function slider({ label, min, max, step, digits = 2, limits = [min, max], onInput, onDone }) {
  const id = freshId(), input = h("input", { type: "range", id, min, max, step, class: "dw-range" });
  const field = h("input", { type: "number", min: limits[0], max: limits[1], step: "any", class: "dw-number" });
  field.setAttribute("aria-label", `${label}, number`);
  input.addEventListener("input", () => onInput(Number(input.value)));
  input.addEventListener("change", onDone);
  field.addEventListener("change", () => {
    if (field.value === "" || !field.reportValidity()) return; // the browser says which numbers it takes
    onInput(Number(field.value));
    onDone();
  });
  const name = h("label", { for: id, class: "dw-name" }, label);
  return {
    element: h("div", { class: "dw-slider" }, name, input, field), input, field,
    set(value, text, shown = digits) {
      input.value = value;
      if (document.activeElement !== field) field.value = Number(value.toFixed(shown));
      input.setAttribute("aria-valuetext", text ?? `${label} = ${show(value, shown)}`);
    },
    range(low, high, newStep = step) {
      [input.min, input.max, input.step] = [low, high, newStep];
    },
  };
}

// A network's picture, channels first in [-1, 1], onto a canvas of the same number of pixels.
export function drawPicture(canvas, values, [channels, height, width]) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), n = width * height;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = 127.5 * (values[channels === 3 ? c * n + i : i] + 1);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Keys that are pressed in a figure stay there: JupyterLab would move to another cell, or cut it, and slides would turn.
export function keepKeys(el) {
  el.addEventListener("keydown", (e) => {
    const passes = e.ctrlKey || e.metaKey || e.altKey || e.key === "Escape" || e.key === "Tab" || (e.shiftKey && e.key === "Enter");
    if (!passes) e.stopPropagation();
  });
}

// Wrap a render function: common class, keys, and errors in plain words where the widget would have been.
export const asWidget = (render) => ({
  render({ model, el }) {
    el.classList.add("dw");
    keepKeys(el);
    try { return render({ model, el }); } catch (error) { say(el, error); return undefined; }
  },
});
