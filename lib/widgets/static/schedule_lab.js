// The schedule laboratory: two noise schedules, their curves, and one picture noised by both.
import { follow, player, unpack } from "./player.js";
import { normals } from "./portable_noise.js";
import { alphaBar, betaAt, drawnFrom, logSnrAt, moveDrawn, noised } from "./schedule_numbers.js";
import { asWidget, clamp, drawPicture, frames, freshId, h, listener, show, slider } from "./ui.js";

const SIZE = 64, SHAPE = [3, SIZE, SIZE], SIDES = ["a", "b"], SECONDS = 8; // from t = 0 to T
const KINDS = { linear: "linear β", cosine: "cosine", sigmoid: "sigmoid", drawn: "draw it" };
const SLIDERS = { // parameter: label, step, decimals
  beta_start: ["β first", 1e-5, 5], beta_end: ["β last", 0.0005, 4], s: ["s", 0.002, 3],
  start: ["start", 0.1, 1], end: ["end", 0.1, 1], tau: ["τ", 0.05, 2],
};
const OF_KIND = { linear: ["beta_start", "beta_end"], cosine: ["s"], sigmoid: ["start", "end", "tau"], drawn: [] };

// ---- pictures: those that came along, and one of the reader's own

function toPixels(image) { // cut to a square in the middle, 64 pixels a side, on white
  const { naturalWidth: width, naturalHeight: height } = image, side = Math.min(width, height);
  if (!side) throw new Error("the picture has no size");
  const canvas = h("canvas", { width: SIZE, height: SIZE }), context = canvas.getContext("2d");
  [context.fillStyle, context.imageSmoothingQuality] = ["#ffffff", "high"];
  context.fillRect(0, 0, SIZE, SIZE);
  context.drawImage(image, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIZE, SIZE);
  const { data } = context.getImageData(0, 0, SIZE, SIZE), n = SIZE * SIZE;
  return Float32Array.from({ length: 3 * n }, (_, i) => data[4 * (i % n) + Math.floor(i / n)] / 127.5 - 1);
}

async function readFile(file) {
  const address = URL.createObjectURL(file), image = new Image();
  try {
    image.src = address;
    await image.decode();
    return toPixels(image);
  } finally { URL.revokeObjectURL(address); }
}

// ---- curves

const PLOTS = {
  alphaBar: { width: 400, height: 300, name: ["ᾱ", h2sub], words: "how much of the picture's variance is left",
    at: (s, t) => s[t], low: 0, high: 1, marks: [[0, "0"], [0.25, "0.25"], [0.5, "0.5"], [0.75, "0.75"], [1, "1"]] },
  beta: { width: 300, height: 137, name: ["β", h2sub], words: "noise added by step t, log scale",
    at: (s, t) => Math.log10(Math.max(betaAt(s, t), 1e-9)), low: -5, high: 0, first: 1,
    marks: [[-4, "0.0001"], [-2, "0.01"], [0, "1"]] },
  logSnr: { width: 300, height: 137, name: ["log SNR", h2sub], words: "signal against noise",
    at: logSnrAt, low: -12, high: 12, first: 1, marks: [[-10, "\u221210"], [0, "0"], [10, "10"]] },
};
const LEFT = 44, TOP = 8, RIGHT = 8, BOTTOM = 22;

function h2sub() { return h("sub", {}, "t"); }

function makePlot({ width, height, name, words, at, low, high, first = 0, marks }) {
  const right = width - RIGHT, bottom = height - BOTTOM;
  const X = (share) => LEFT + (right - LEFT) * share;
  const Y = (v) => bottom - ((bottom - TOP) * (clamp(v, low, high) - low)) / (high - low);
  const lines = marks.map(([v, label]) => h("g", {},
    h("line", { x1: LEFT, x2: right, y1: Y(v), y2: Y(v), class: v === 0 && low < 0 && high > 0 ? "dw-zero" : "dw-grid" }),
    h("text", { x: LEFT - 5, y: Y(v) + 4, "text-anchor": "end", class: "dw-tick" }, label)));
  const times = (width > 350 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1]).map((share) => ({ share, text: h("text", { x: X(share), y: bottom + 15,
    "text-anchor": share === 1 ? "end" : "middle", class: "dw-tick" }) }));
  const curves = SIDES.map((side) => h("path", { class: `dw-curve dw-curve-${side}` }));
  const dots = SIDES.map((side) => h("circle", { r: 5, class: `dw-now dw-now-${side}` }));
  const now = h("line", { y1: TOP, y2: bottom, class: "dw-now-line" });
  const svg = h("svg", { viewBox: `0 0 ${width} ${height}`, class: "dw-plot dw-schedule-plot", role: "img" },
    h("rect", { x: LEFT, y: TOP, width: right - LEFT, height: bottom - TOP, class: "dw-frame" }), ...lines,
    ...times.map(({ text }) => text), now, ...curves, ...dots);
  const caption = h("figcaption", {}, h("b", {}, name[0], name[1]()), ` ${words}`);
  return {
    svg, caption, X, Y,
    share: (x) => clamp((x - LEFT) / (right - LEFT), 0, 1),
    value: (y) => low + ((bottom - y) / (bottom - TOP)) * (high - low),
    setCurves(schedules) {
      const T = schedules[0].length - 1, count = Math.min(T, 240);
      const places = Array.from({ length: count + 1 }, (_, i) => Math.round((i * T) / count)).filter((t) => t >= first);
      times.forEach(({ share, text }) => { text.textContent = share === 1 ? `T = ${T}` : Math.round(share * T); });
      schedules.forEach((s, i) => curves[i].setAttribute("d",
        `M${places.map((t) => `${X(t / T).toFixed(1)},${Y(at(s, t)).toFixed(1)}`).join("L")}`));
    },
    setNow(schedules, t, spoken) {
      const T = schedules[0].length - 1, x = X(t / T);
      now.setAttribute("x1", x); now.setAttribute("x2", x);
      dots.forEach((dot, i) => {
        dot.setAttribute("cx", x); dot.setAttribute("cy", Y(at(schedules[i], t)));
        dot.style.display = t < first ? "none" : "";
      });
      svg.setAttribute("aria-label", `${name[0]} of both schedules over t. ${spoken}`);
    },
  };
}

// Points of a drawn schedule over the plot of alpha-bar. A pointer anywhere on the plot takes the nearest point and draws
// on when it passes others; arrow keys lift, lower, and change the point.
function makeKnots(plot, { get, put, done, limits, scrub }) {
  const box = h("div", { class: "dw-knots" }, plot.svg), [low, gap] = limits;
  const make = (side) => {
    const list = [];
    return { list, size(count) {
      while (list.length > count) list.pop().remove();
      while (list.length < count) {
        const index = list.length, knot = h("div", { class: `dw-knot dw-knot-${side}`, role: "slider", tabindex: 0,
          "aria-valuemin": 0, "aria-valuemax": 1, "aria-orientation": "vertical" });
        knot.addEventListener("keydown", (e) => {
          const lift = { ArrowUp: 1, ArrowDown: -1 }[e.key], go = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
          if (!lift && !go) return;
          e.preventDefault();
              if (go) list[clamp(index + go, 0, list.length - 1)].focus();
          else put(side, moveDrawn(get(side), index, get(side)[index] + lift * (e.shiftKey ? 0.1 : 0.01), { low, gap }));
        });
        knot.addEventListener("keyup", (e) => { if (e.key.startsWith("Arrow")) done(); });
        list.push(knot);
        box.append(knot);
      }
    } };
  };
  const knots = { a: make("a"), b: make("b") }, active = () => SIDES.filter((side) => get(side));
  let held = null;
  follow(plot.svg, {
    press(x, y) {
      const near = (side) => { // vertical distance to the drawn line, so that the line under the pointer is taken
        const drawn = [1, ...get(side)], place = plot.share(x) * (drawn.length - 1), i = Math.min(Math.floor(place), drawn.length - 2);
        return Math.abs(plot.Y(drawn[i] + (place - i) * (drawn[i + 1] - drawn[i])) - y);
      };
      held = active().sort((one, other) => near(one) - near(other))[0] ?? null;
      return true;
    },
    move(x, y) {
      if (!held) { scrub(plot.share(x)); return; }
      const drawn = get(held), index = clamp(Math.round(plot.share(x) * drawn.length) - 1, 0, drawn.length - 1);
      put(held, moveDrawn(drawn, index, plot.value(y), { low, gap }));
      knots[held].list[index]?.focus({ preventScroll: true });
    },
    done,
  });
  return { box, update(T) {
    plot.svg.classList.toggle("dw-drawable", active().length > 0);
    for (const side of SIDES) {
      const drawn = get(side) ?? [], { list, size } = knots[side];
      size(drawn.length);
      drawn.forEach((v, i) => {
        const { width, height } = plot.svg.viewBox.baseVal, t = Math.round(((i + 1) / drawn.length) * T);
        list[i].style.left = `${(100 * plot.X((i + 1) / drawn.length)) / width}%`;
        list[i].style.top = `${(100 * plot.Y(v)) / height}%`;
        list[i].setAttribute("aria-label", `Schedule ${side.toUpperCase()}, point at t = ${t}`);
        list[i].setAttribute("aria-valuenow", v);
        list[i].setAttribute("aria-valuetext", `ᾱ = ${show(v, 3)}`);
      });
    }
  } };
}

// ---- a card for each schedule: choice, picture, numbers, parameters

const short = (v) => (v !== 0 && Math.abs(v) < 0.001 ? v.toExponential(1).replace("-", "\u2212") : show(v, Math.abs(v) < 0.1 ? 4 : 3));

function makeCard(side, { choose, change, done, limits }) {
  const id = freshId(), name = side.toUpperCase();
  const choice = h("select", { id, class: "dw-select", onchange: () => choose(choice.value) },
    ...Object.entries(KINDS).map(([value, label]) => h("option", { value }, label)));
  const canvas = h("canvas", { class: "dw-picture dw-noised", role: "img" });
  const row = (...label) => { const value = h("dd"); return { value, parts: [h("dt", {}, ...label), value] }; };
  const rows = {
    beta: row("β", h2sub()), alphaBar: row("ᾱ", h2sub()), signal: row("√ᾱ", h2sub()), noise: row("√(1−ᾱ", h2sub(), ")"),
    logSnr: row("log SNR"),
  };
  const sliders = Object.fromEntries(Object.entries(SLIDERS).map(([key, [label, step, digits]]) => [key, slider({
    label, min: limits[key][0], max: limits[key][1], step, digits, onInput: (v) => change(key, v), onDone: done })]));
  const hint = h("p", { class: "dw-hint" }, "Draw in the ᾱ curve below: drag across it, or move its points.");
  for (const [key, { input, field }] of Object.entries(sliders)) {
    input.setAttribute("aria-label", `Schedule ${name}, ${SLIDERS[key][0]}`);
    field.setAttribute("aria-label", `Schedule ${name}, ${SLIDERS[key][0]}, number`);
  }
  const element = h("div", { class: `dw-card dw-card-${side}`, role: "group", "aria-label": `Schedule ${name}` },
    h("div", { class: "dw-card-head" }, h("label", { for: id, class: "dw-letter" }, name,
      h("span", { class: "dw-hidden" }, ": kind of schedule")), choice),
    h("div", { class: "dw-card-body" }, canvas, h("dl", { class: "dw-values" }, ...Object.values(rows).flatMap(({ parts }) => parts))),
    h("div", { class: "dw-sliders" }, ...Object.values(sliders).map((s) => s.element)), hint);
  const setKind = (kind, parameters) => {
    choice.value = kind;
    for (const [key, s] of Object.entries(sliders)) {
      s.element.hidden = !OF_KIND[kind].includes(key);
      s.set(parameters[key]);
    }
    hint.hidden = kind !== "drawn";
  };
  const setValues = (schedule, t) => {
    rows.beta.value.textContent = t ? short(betaAt(schedule, t)) : "\u2013";
    rows.alphaBar.value.textContent = short(schedule[t]);
    rows.signal.value.textContent = short(Math.sqrt(schedule[t]));
    rows.noise.value.textContent = short(Math.sqrt(1 - schedule[t]));
    rows.logSnr.value.textContent = t ? show(logSnrAt(schedule, t), 2) : "∞";
  };
  return { element, canvas, setKind, setValues };
}

// ---- the widget

function render({ model, el }) {
  const names = model.get("names"), limits = model.get("limits"), n = 3 * SIZE * SIZE;
  let shipped = null, own = null, useOwn = false, drawnKey = "", eps = null, epsSeed = null;
  const noisy = SIDES.map(() => new Float32Array(n));
  const done = () => model.save_changes(), T = () => model.get("num_steps"), now = () => clamp(model.get("t"), 0, T());
  const tell = (name, value) => { model.set(name, value); done(); };
  const setT = (t) => model.set("t", clamp(Math.round(t), 0, T()));
  const scrub = (share) => { play.stop(); setT(share * T()); };
  const ask = frames(el, () => paint());

  // picture, upload, noise
  const choiceId = freshId(), note = h("p", { class: "dw-note", role: "status" });
  const ownOption = h("option", { value: "own", hidden: true }, "your picture");
  const choice = h("select", { id: choiceId, class: "dw-select", onchange: () => {
    useOwn = choice.value === "own";
    if (useOwn) ask(); else tell("picture", names[Number(choice.value)]);
    ask();
  } }, ...names.map((name, i) => h("option", { value: i }, name)), ownOption);
  const upload = async (file) => {
    if (!file) return;
    try {
      own = await readFile(file);
      [useOwn, ownOption.hidden, note.textContent] = [true, false, "Your picture stays in this browser: nothing is sent anywhere."];
    } catch {
      note.textContent = `\u201c${file.name}\u201d is not a picture that this browser can read. Try a PNG or JPEG file.`;
    }
    ask();
  };
  const input = h("input", { type: "file", accept: "image/*", "aria-label": "Use your own picture", onchange: () => upload(input.files[0]) });
  const file = h("span", { class: "dw-file dw-button" }, "Use your own picture", input);
  const again = h("button", { type: "button", class: "dw-button", onclick: () => tell("seed", (model.get("seed") + 1) % 2 ** 32) }, "New noise");

  // time
  let place = 0; // t as a fraction while playing
  const play = player({ label: "Add noise", begin: () => { place = now() >= T() ? 0 : now(); },
    advance: (seconds) => { place += (seconds * T()) / SECONDS; setT(place); return place < T(); }, done });
  const time = slider({ label: "t", min: 0, max: T(), step: 1, digits: 0, onInput: (t) => { play.stop(); setT(t); }, onDone: done });
  const steps = slider({ label: "T", min: limits.num_steps[0], max: limits.num_steps[1], step: 10, digits: 0, onDone: done,
    onInput: (wanted) => {
      const share = now() / T(), count = clamp(Math.round(wanted), ...limits.num_steps);
      play.stop();
      model.set("num_steps", count);
      setT(share * count);
    } });

  // cards and curves; a drawing begins with the curve that was there
  const begun = Object.fromEntries(SIDES.map((side) => [side, model.get(`schedule_${side}`) === "drawn"]));
  const cards = SIDES.map((side) => makeCard(side, { limits, done,
    choose: (kind) => {
      if (kind === "drawn" && !begun[side]) {
        const [low, gap] = limits.drawn, { length } = model.get(`drawn_${side}`);
        model.set(`drawn_${side}`, drawnFrom(schedules[SIDES.indexOf(side)], length, { low, gap }));
      }
      tell(`schedule_${side}`, kind);
    },
    change: (key, v) => model.set(`params_${side}`, { ...model.get(`params_${side}`), [key]: v }) }));
  const plots = Object.fromEntries(Object.entries(PLOTS).map(([key, entry]) => [key, makePlot(entry)]));
  const knots = makeKnots(plots.alphaBar, { limits: limits.drawn, scrub, done,
    get: (side) => (model.get(`schedule_${side}`) === "drawn" ? model.get(`drawn_${side}`) : null),
    put: (side, drawn) => model.set(`drawn_${side}`, drawn) });
  for (const key of ["beta", "logSnr"]) follow(plots[key].svg, { move: (x) => scrub(plots[key].share(x)), done });

  let schedules = [];
  const redraw = () => { // only when a schedule has changed
    const wanted = SIDES.map((side) => ["schedule", "params", "drawn"].map((name) => model.get(`${name}_${side}`)));
    const key = JSON.stringify([T(), wanted]);
    if (key === drawnKey) return;
    drawnKey = key;
    schedules = wanted.map(([kind, parameters, drawn]) => alphaBar(kind, T(), parameters, drawn));
    wanted.forEach(([kind, parameters], i) => cards[i].setKind(kind, parameters));
    for (const plot of Object.values(plots)) plot.setCurves(schedules);
    knots.update(T());
    time.range(0, T());
    time.field.max = T();
    steps.set(T(), `${T()} steps`, 0);
  };
  const paint = () => {
    redraw();
    const t = now(), index = names.indexOf(model.get("picture")), picture = useOwn ? own : shipped?.[index];
    const what = useOwn ? "your picture" : names[index], left = schedules.map((s) => show(s[t], 3));
    if (model.get("seed") !== epsSeed) { epsSeed = model.get("seed"); eps = normals(n, epsSeed); }
    const spoken = `t = ${t} of ${T()}: ᾱ is ${left[0]} for A and ${left[1]} for B.`;
    choice.value = useOwn ? "own" : index;
    time.set(t, spoken, 0);
    for (const plot of Object.values(plots)) plot.setNow(schedules, t, spoken);
    cards.forEach((card, i) => {
      card.setValues(schedules[i], t);
      card.canvas.setAttribute("aria-label", `${what}, noised by schedule ${SIDES[i].toUpperCase()} up to t = ${t}: ᾱ = ${left[i]}`);
      if (picture) drawPicture(card.canvas, noised(picture, eps, schedules[i][t], noisy[i]), SHAPE);
    });
  };

  // together
  const figure = (plot, content = plot.svg) => h("figure", { class: "dw-figure" }, plot.caption, content);
  el.append(
    h("div", { class: "dw-bar" }, h("label", { for: choiceId, class: "dw-name" }, "picture"), choice, file, again), note,
    h("div", { class: "dw-timeline" }, play.button, h("div", { class: "dw-sliders" }, time.element, steps.element)),
    h("div", { class: "dw-cards" }, ...cards.map((card) => card.element)),
    h("div", { class: "dw-curves" }, figure(plots.alphaBar, knots.box),
      h("div", { class: "dw-small-curves" }, figure(plots.beta), figure(plots.logSnr))),
    h("p", { class: "dw-key" }, h("span", { class: "dw-key-a" }, "A"), " solid, ", h("span", { class: "dw-key-b" }, "B"),
      " dashed. Drag in a curve to move t."));
  unpack(model.get("packed")).then((bytes) => {
    shipped = names.map((_, k) => Float32Array.from(bytes.subarray(k * n, (k + 1) * n), (v) => v / 127.5 - 1));
    ask();
  }, (error) => { note.textContent = `The pictures could not be unpacked here (${error.message}).`; });
  const listen = listener(model);
  listen(["schedule_a", "schedule_b", "params_a", "params_b", "drawn_a", "drawn_b", "num_steps", "t", "seed"], ask);
  for (const side of SIDES) listen(`drawn_${side}`, () => { begun[side] = true; });
  listen("picture", () => { useOwn = false; ask(); });
  ask.now();
  return () => { for (const part of [play, listen, ask]) part.stop(); };
}

export default asWidget(render);
