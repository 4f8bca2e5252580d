// Pictures made beforehand over several axes: a slider or buttons for each axis, or its pictures side by side.
import { corner, differs, flatIndex } from "./frame_numbers.js";
import { control } from "./controls.js";
import { asWidget, clamp, frames, freshId, h, listener } from "./ui.js";

// ---- the widget

function render({ model, el }) {
  const axes = model.get("axes"), numbers = model.get("numbers"), columns = model.get("columns");
  const [, height, width] = model.get("shape"), lengths = axes.map(({ labels }) => labels.length);
  const done = () => model.save_changes(), axisOf = (name) => axes.findIndex((axis) => axis.name === name);
  const place = () => axes.map(({ name }, i) => clamp(model.get("place")[name] ?? 0, 0, lengths[i] - 1));
  const move = (i, index) => { if (place()[i] !== index) model.set("place", { ...model.get("place"), [axes[i].name]: index }); };
  const ask = frames(el, () => paint());
  let sheet = null, layout = null, cells = [];

  const controls = axes.map((axis, i) => (lengths[i] < 2 ? null : control(axis, { move: (index) => move(i, index), done })));
  const stopAll = () => controls.forEach((one) => one?.stop());
  const select = (label, name, other) => {
    const id = freshId(), element = h("select", { id, class: "dw-select", onchange: () => {
      stopAll();
      if (element.value && element.value === model.get(other)) model.set(other, "");
      model.set(name, element.value);
      done();
    } }, h("option", { value: "" }, "–"), ...axes.filter((_, i) => lengths[i] > 1).map((axis) => h("option", { value: axis.name }, axis.title)));
    return { element, pair: h("span", { class: "dw-pair" }, h("label", { for: id, class: "dw-name" }, label), element) };
  };
  const across = select("side by side", "across", "down"), down = select("in rows", "down", "across");
  const view = h("div", { class: "dw-frames" }), words = h("output", { class: "dw-readout", "aria-live": "off" });

  const named = (a) => axes[a].ordered && axes[a].title.length <= 9; // "η 0.5", but not "cat"

  // The pictures in view: a canvas for each, built anew only when other axes are laid out.
  const build = (a, d) => {
    const rows = d < 0 ? [null] : [...axes[d].labels.keys()], cols = a < 0 ? [null] : [...axes[a].labels.keys()];
    cells = [];
    view.style.setProperty("--dw-columns", cols.length);
    view.className = `dw-frames ${a < 0 && d < 0 ? "dw-frames-one" : d < 0 ? "dw-frames-row" : "dw-frames-table"}`;
    view.replaceChildren(...rows.map((row) => h("div", { class: "dw-frame-line" },
      ...(row === null ? [] : [h("div", { class: "dw-frame-head" }, `${axes[d].title} `, h("b", {}, axes[d].labels[row]))]),
      h("div", { class: "dw-frame-cells" }, ...cols.map((col) => {
        const canvas = h("canvas", { class: "dw-picture dw-frame-picture", role: "img", width, height }), below = h("span", { class: "dw-frame-numbers" });
        cells.push({ row, col, canvas, below });
        const title = col === null ? [] : [...(named(a) ? [`${axes[a].title} `] : []), h("b", {}, axes[a].labels[col])];
        return h("figure", { class: "dw-figure" }, canvas, h("figcaption", {}, ...title, below));
      })))));
  };

  const paint = () => {
    const at = place(), a = axisOf(model.get("across")), d = axisOf(model.get("down")), shown = [a, d];
    if (layout !== `${a} ${d}`) { layout = `${a} ${d}`; build(a, d); }
    across.element.value = model.get("across"); down.element.value = model.get("down");
    controls.forEach((one, i) => { if (one) { one.element.hidden = shown.includes(i); one.set(at[i]); } });
    for (const { row, col, canvas, below } of cells) {
      const here = at.map((index, i) => (i === a ? col : i === d ? row : index)), index = flatIndex(here, lengths);
      canvas.setAttribute("aria-label", axes.map(({ title, labels }, i) => `${title} ${labels[here[i]]}`).join(", "));
      below.textContent = numbers.filter((one) => differs(one.lengths, shown))
        .map((one) => `${one.label} ${one.texts[flatIndex(here, one.lengths)]}`).join("\n");
      if (sheet) canvas.getContext("2d").drawImage(sheet, ...corner(index, columns, width, height), width, height, 0, 0, width, height);
    }
    const chosen = axes.flatMap(({ title, labels }, i) => (shown.includes(i) ? [] : [`${title} ${labels[at[i]]}`]));
    const common = numbers.filter((one) => !differs(one.lengths, shown)).map((one) => `${one.label} ${one.texts[flatIndex(at, one.lengths)]}`);
    words.textContent = [...chosen, ...common].join(" \u00B7 ");
  };

  const open = async () => {
    const file = new Blob([model.get("sheet")], { type: "image/webp" });
    sheet = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    ask();
  };
  open().catch((error) => { el.prepend(h("p", { class: "dw-error", role: "alert" }, `The pictures could not be opened here (${error.message}).`)); });
  const several = lengths.filter((length) => length > 1).length;
  el.append(h("div", { class: "dw-frame-controls" }, ...controls.filter(Boolean).map(({ element }) => element)), view, words,
    ...(several > 1 ? [h("div", { class: "dw-bar dw-frame-layout" }, across.pair, down.pair)] : []));
  const listen = listener(model);
  listen(["place", "across", "down"], ask);
  ask.now();
  return () => { stopAll(); for (const part of [listen, ask]) part.stop(); };
}

export default asWidget(render);
