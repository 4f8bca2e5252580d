// From words to a picture: choose or type a caption, see the picture, the walk to it, and where each word is looked at.
import { glowing, overlay } from "./colour_numbers.js";
import { fill, nearest, parse, readGaps, sameKey, splitWords, unknownWords, withWord, wordMap } from "./caption_numbers.js";
import { buttonControl, listControl } from "./controls.js";
import { player } from "./player.js";
import { openSheet, put } from "./sheets.js";
import { asWidget, frames, freshId, h, listener, show } from "./ui.js";

const OFFERS = 4, IN_A_ROW = 6, SECONDS = 0.5, MARK = /^<.*>$/; // a step of the walk while it plays; <start> and its like

// ---- answers: those that came with the page, and those that a model sends

async function openStored(model) {
  const [height, width, rows, columns] = model.get("sizes"), sheets = model.get("sheets");
  const open = (name, size) => openSheet(sheets[name], sheets.columns?.[name], size);
  const [pictures, walks, maps] = await Promise.all([open("picture", [height, width]), open("walk", [height, width]), open("map", [rows, columns])]);
  const read = [];
  let walk = 0, map = 0;
  return model.get("stored").map((told, index) => {
    const firstFrame = walk, firstMap = map, { frames: count, words } = told;
    walk += count;
    map += told.maps * words.length;
    return { ...told, sides: [rows, columns], frame: (i) => (i < count ? walks.at(firstFrame + i) : pictures.at(index)),
      map: (m, w) => (read[firstMap + m * words.length + w] ??= maps.at(firstMap + m * words.length + w).data.filter((_, i) => i % 4 === 0)) };
  });
}

function fromModel(reply) {
  const [height, width, rows, columns] = reply.sizes, size = height * width, area = rows * columns;
  const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const [picture, walk, map] = [reply.picture, reply.walk, reply.map].map(bytes);
  const image = (planes, start) => {
    const out = new ImageData(width, height);
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) out.data[4 * i + c] = planes[start + c * size + i];
      out.data[4 * i + 3] = 255;
    }
    return out;
  };
  return { ...reply, sides: [rows, columns], frame: (i) => (i < reply.frames ? image(walk, 3 * size * i) : image(picture, 0)),
    map: (m, w) => map.subarray((m * reply.words.length + w) * area, (m * reply.words.length + w + 1) * area) };
}

// ---- what the reader sets: gaps of a sentence, and numbers

function sentence(template, slots, choose) {
  const selects = slots.map(({ label, words }, i) => {
    const id = freshId(), select = h("select", { id, class: "dw-select", onchange: () => choose(i, words[Number(select.value)]) },
      h("option", { value: -1, hidden: true }, "…"), ...words.map((word, k) => h("option", { value: k }, word || "–")));
    return { select, element: h("span", { class: "dw-gap" }, h("label", { for: id }, label), select) };
  });
  const pieces = parse(template).flatMap((piece) => piece.part ?? [piece]);
  const element = h("div", { class: "dw-sentence" }, ...pieces.map(({ gap, word }) => (gap === undefined ? h("span", { class: "dw-fixed" }, word) : selects[gap].element)));
  return { element, set: (found) => selects.forEach(({ select }, i) => { select.value = found ? slots[i].words.indexOf(found[i]) : -1; }) };
}

// A number of which some values are stored. Where a model answers, any other may be typed.
function setting({ title, values, free, low, high, step, pick }) {
  const labels = values.map(String), tell = { move: (i) => pick(values[i]), done() {} };
  const one = values.length < 2 ? null : (values.length <= IN_A_ROW ? buttonControl : listControl)({ title, labels }, tell);
  const field = h("input", { type: "number", class: "dw-number", min: low, max: high, step, "aria-label": `${title}, number`,
    onchange: () => { if (field.value !== "" && field.reportValidity()) pick(Number(field.value)); } });
  const alone = h("b"), parts = one ? [one.element] : [h("span", { class: "dw-name" }, title), ...(free ? [] : [alone])];
  return { element: h("div", { class: "dw-setting" }, ...parts, ...(free ? [field] : [])), set(value) {
    one?.set(values.indexOf(value));
    alone.textContent = value;
    if (document.activeElement !== field) field.value = value;
  } };
}

// ---- the words of an answer, each a button with its map

function wordButtons(answer, { point, press }) {
  return answer.words.map((word, w) => {
    const canvas = h("canvas", { class: "dw-word-map", "aria-hidden": "true", width: answer.sides[1], height: answer.sides[0] });
    const share = h("small");
    const button = h("button", { type: "button", class: `dw-button dw-word${MARK.test(word) ? " dw-word-mark" : ""}`, "aria-pressed": "false", onclick: () => press(w),
      onpointerenter: (e) => { if (e.pointerType === "mouse") point(w); }, onpointerleave: () => point(-1),
      onfocus: () => { if (button.matches(":focus-visible")) point(w); }, onblur: () => point(-1) }, canvas, h("span", {}, word), share);
    return { button, canvas, set(map) {
      put(canvas, new ImageData(glowing(map.weight), answer.sides[1]));
      share.textContent = `${show(100 * map.peak, map.peak < 0.1 ? 1 : 0)} %`;
      button.setAttribute("aria-label", `${word}, at most ${share.textContent} of the attention`);
    } };
  });
}

// ---- the widget

function render({ model, el }) {
  const stored = model.get("stored"), slots = model.get("slots"), template = model.get("template"), vocabulary = model.get("vocabulary");
  const canDraw = model.get("live") && !model.isStatic, answers = new Map(), failed = new Map(), done = () => model.save_changes();
  let ready = stored.length === 0, queued = false, hovered = -1, shown = null, buttons = [], strip = [], last = slots.map(({ words }) => words[0]), since = 0, timer = 0;
  const wanted = () => ({ text: model.get("text"), steps: model.get("steps"), scale: model.get("guidance_scale"), seed: model.get("seed") });
  const keyOf = ({ text, steps, scale, seed }) => sameKey(text, steps, scale, seed), now = () => answers.get(keyOf(wanted()));
  const tell = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); done(); };
  const choose = ({ text, steps, scale, seed }) => tell({ text, steps, guidance_scale: scale, seed });
  const ask = frames(el, () => paint());
  const drawing = () => canDraw && (model.get("request").number ?? 0) > (model.get("reply").number ?? 0);

  // asking a model: one question at a time; what is asked meanwhile waits, and an answer to an older question is dropped
  const draw = () => {
    if (!canDraw || now()) return;
    if (drawing()) { queued = true; ask(); return; }
    failed.delete(keyOf(wanted()));
    since = performance.now();
    clearInterval(timer);
    timer = setInterval(() => (drawing() ? ask() : clearInterval(timer)), 1000);
    tell({ request: { ...wanted(), number: (model.get("request").number ?? 0) + 1 } });
  };
  const hear = () => {
    const reply = model.get("reply");
    if (reply.number === undefined || reply.number < (model.get("request").number ?? 0)) return;
    if (reply.error) failed.set(keyOf(reply), reply.error); else answers.set(keyOf(reply), fromModel(reply));
    if (queued) { queued = false; draw(); }
    ask();
  };

  // elements
  const typed = h("input", { type: "text", id: freshId(), class: "dw-typed", maxlength: 200, spellcheck: "false", autocomplete: "off",
    oninput: () => model.set("text", typed.value), onchange: done, onkeydown: (e) => { if (e.key === "Enter") { done(); draw(); } } });
  const gaps = slots.length ? sentence(template, slots, (i, word) => {
    last = withWord(slots, readGaps(template, slots, model.get("text")) ?? last, last, i, word);
    tell({ text: fill(template, last) });
  }) : null;
  const strange = h("p", { class: "dw-strange", role: "status" });
  const listed = (name) => [...new Set(stored.map((one) => one[name]))].sort((a, b) => a - b);
  const settings = [["steps", "steps", "steps", 1, 1000, 1], ["guidance_scale", "guidance scale", "scale", 0, 30, "any"], ["seed", "seed", "seed", 0, 2 ** 31 - 1, 1]]
    .map(([trait, title, name, low, high, step]) => ({ trait, ...setting({ title, values: listed(name), free: canDraw, low, high, step, pick: (v) => tell({ [trait]: v }) }) }));
  const button = h("button", { type: "button", class: "dw-button dw-draw", onclick: draw }, "Draw");
  const texts = stored.filter((one, i) => stored.findIndex((other) => other.text === one.text) === i);
  const list = h("select", { id: freshId(), class: "dw-select", onchange: () => {
    choose(nearest(stored, { ...wanted(), text: texts[Number(list.value)].text }, 1)[0].one);
  } }, h("option", { value: -1, hidden: true }, "choose …"), ...texts.map((one, i) => h("option", { value: i }, one.text || "(no words)")));
  const status = h("p", { class: "dw-status", role: "status" }), offers = h("div", { class: "dw-offers", role: "group", "aria-label": "Nearest stored captions" });
  const canvas = h("canvas", { class: "dw-picture dw-drawn", role: "img" }), below = h("figcaption");
  const words = h("div", { class: "dw-words", role: "group", "aria-label": "Words; each shows where it is looked at" });
  const film = h("div", { class: "dw-film" });
  const range = h("input", { type: "range", class: "dw-range", min: 0, step: 1, "aria-label": "Walk to the picture",
    oninput: () => { play.stop(); go(Number(range.value)); }, onchange: done });
  const go = (i) => { const last = now()?.frames ?? 0; model.set("estimate", i >= last ? -1 : Math.max(0, i)); };
  const at = (answer) => { const i = model.get("estimate"); return i < 0 || i > answer.frames ? answer.frames : i; };
  let place = 0;
  const play = player({ label: "Play the walk", done, stride: SECONDS, begin: () => { const a = now(); place = a && at(a) < a.frames ? at(a) : 0; go(place); },
    advance: (seconds) => { const last = now()?.frames ?? 0; place = Math.min(last, place + seconds / SECONDS); go(Math.floor(place + 1e-9)); return place < last; } });
  const how = buttonControl({ title: "maps", labels: ["of this step", "mean of the walk"] }, { move: (i) => tell({ mean_map: i === 1 }), done });

  const build = (answer) => { // what belongs to one answer, made when another one comes into view
    hovered = -1;
    buttons = answer.maps ? wordButtons(answer, { point: (w) => { hovered = w; ask(); }, press: (w) => tell({ word: model.get("word") === w ? -1 : w }) }) : [];
    words.replaceChildren(...buttons.map((one) => one.button));
    strip = answer.frames ? Array.from({ length: answer.frames + 1 }, (_, i) => h("canvas", { class: "dw-film-picture", "aria-hidden": "true", onclick: () => { play.stop(); go(i); done(); } })) : [];
    strip.forEach((one, i) => put(one, answer.frame(i)));
    film.replaceChildren(...strip);
    film.style.setProperty("--dw-columns", strip.length);
    range.max = answer.frames;
    walkBox.hidden = !answer.frames;
    how.element.hidden = answer.maps < 2;
    wordBox.hidden = !answer.maps;
  };

  const paintAnswer = (answer) => {
    const i = at(answer), finished = i === answer.frames, mean = finished || answer.maps < 2 || model.get("mean_map");
    const chosen = hovered >= 0 ? hovered : model.get("word"), w = answer.maps && chosen < answer.words.length ? chosen : -1;
    const steps = mean ? [...Array(answer.maps).keys()] : [i], size = answer.sides[0] * answer.sides[1];
    const drawn = mean ? "mean" : i;
    if (shown.drawn !== drawn) {
      shown.drawn = drawn;
      shown.maps = buttons.map((_, k) => wordMap((m) => answer.map(m, k), steps, size, answer.peaks[k]));
      buttons.forEach((one, k) => one.set(shown.maps[k]));
    }
    const image = answer.frame(i);
    put(canvas, w < 0 ? image : new ImageData(overlay(image.data, [image.height, image.width], shown.maps[w].weight, answer.sides), image.width));
    buttons.forEach((one, k) => { one.button.setAttribute("aria-pressed", String(k === model.get("word"))); one.button.classList.toggle("dw-word-now", k === w); });
    const which = finished ? "the finished picture" : `estimate ${i + 1} of ${answer.frames}`;
    const looked = w < 0 ? "" : `, where “${answer.words[w]}” is looked at${mean ? "" : " at this step"}`;
    below.textContent = `${which}${looked}`;
    canvas.setAttribute("aria-label", `${answer.text || "no words"}: ${which}${looked}`);
    range.value = i;
    range.setAttribute("aria-valuetext", which);
    strip.forEach((one, k) => one.classList.toggle("dw-film-now", k === i));
    how.set(Number(model.get("mean_map")));
  };

  const offer = () => nearest(stored, wanted(), OFFERS).map(({ one, kept, count }) => {
    const different = settings.map(({ trait }) => trait).filter((trait) => one[trait === "guidance_scale" ? "scale" : trait] !== model.get(trait));
    const tail = different.map((trait) => ` · ${trait === "guidance_scale" ? `scale ${one.scale}` : `${trait} ${one[trait]}`}`).join("");
    const pieces = count ? splitWords(one.text).flatMap((word, k) => [kept[k] ? word : h("b", {}, word), " "]) : [one.text];
    const thumb = h("canvas", { class: "dw-offer-picture", "aria-hidden": "true" }), there = answers.get(keyOf(one));
    put(thumb, there.frame(there.frames));
    return h("button", { type: "button", class: "dw-button dw-offer", onclick: () => { choose(one); typed.focus(); } }, thumb, h("span", {}, ...pieces, tail));
  });

  const paintStatus = (answer) => {
    const error = failed.get(keyOf(wanted())), text = wanted().text;
    const known = stored.some((one) => splitWords(one.text).join(" ") === splitWords(text).join(" "));
    const seconds = Math.round((performance.now() - since) / 1000), wait = queued ? ", then this caption" : "";
    status.classList.toggle("dw-failed", Boolean(error) && !answer);
    el.setAttribute("aria-busy", String(drawing()));
    if (answer) status.textContent = drawing() ? `drawing another caption…${wait}` : "";
    else if (drawing()) status.textContent = `drawing…${wait}${seconds > 20 ? " The kernel may be busy with another cell." : ""}`;
    else if (error) status.textContent = `The model did not draw this: ${error}`;
    else if (!ready) status.textContent = "opening the pictures…";
    else if (canDraw) status.textContent = "Not drawn yet.";
    else status.textContent = known ? "This caption is stored with other settings:" : "No picture is stored for this caption, and no model runs here. The nearest stored ones:";
    const none = answer || !ready || canDraw;
    if (!none) offers.replaceChildren(...offer());
    offers.hidden = Boolean(none) || !stored.length;
    button.disabled = Boolean(answer) || queued;
    button.textContent = drawing() && !answer ? (queued ? "Waiting" : "Draw this next") : "Draw";
  };

  const paint = () => {
    const answer = now(), text = model.get("text"), unknown = answer?.unknown?.length ? answer.unknown : unknownWords(text, vocabulary);
    if (document.activeElement !== typed || splitWords(typed.value).join() !== splitWords(text).join()) typed.value = text;
    gaps?.set(readGaps(template, slots, text));
    for (const one of settings) one.set(model.get(one.trait));
    list.value = texts.findIndex((one) => splitWords(one.text).join(" ") === splitWords(text).join(" "));
    strange.replaceChildren(...(unknown.length ? ["not in the model’s vocabulary: ", ...unknown.flatMap((word, i) => [...(i ? [", "] : []), h("mark", {}, word)])] : []));
    typed.setAttribute("aria-invalid", String(unknown.length > 0));
    paintStatus(answer);
    main.classList.toggle("dw-no-answer", !answer);
    main.hidden = !answer && !canDraw && ready; // the offers stand there instead
    if (!answer) {
      shown = null;
      for (const box of [walkBox, wordBox]) box.hidden = true;
      [canvas.width, canvas.height] = [1, 1];
      canvas.setAttribute("aria-label", "No picture yet");
      below.textContent = drawing() ? "drawing…" : "no picture yet";
      return;
    }
    if (shown?.answer !== answer) { shown = { answer }; build(answer); }
    paintAnswer(answer);
  };

  // together
  const labelled = (label, element) => h("div", { class: "dw-line" }, h("label", { for: element.id, class: "dw-name" }, label), element);
  const wordBox = h("div", { class: "dw-word-box" }, h("p", { class: "dw-note" }, "Point at a word: where does the picture look at it? Below it: the largest share of attention at a place."), how.element, words);
  const walkBox = h("div", { class: "dw-walk" }, film, range,
    h("div", { class: "dw-walk-ends", "aria-hidden": "true" }, h("span", {}, "first estimate"), h("span", {}, "finished")), play.button);
  const main = h("div", { class: "dw-caption-main" }, h("div", { class: "dw-caption-left" }, h("figure", { class: "dw-figure" }, canvas, below), walkBox), wordBox);
  const line = labelled("caption", typed);
  if (canDraw) line.append(button);
  el.append(...(gaps ? [gaps.element] : []), line, strange, ...(texts.length > 1 ? [labelled("drawn beforehand", list)] : []),
    h("div", { class: "dw-settings" }, ...settings.map(({ element }) => element)), status, offers, main);
  openStored(model).then((opened) => { for (const one of opened) answers.set(keyOf(one), one); ready = true; ask(); })
    .catch((error) => { el.prepend(h("p", { class: "dw-error", role: "alert" }, `The pictures could not be opened here (${error.message}).`)); });
  const listen = listener(model);
  listen(["text", "steps", "guidance_scale", "seed", "word", "estimate", "mean_map", "request"], ask);
  listen("reply", hear);
  hear();
  ask.now();
  return () => { clearInterval(timer); for (const part of [play, listen, ask]) part.stop(); };
}

export default asWidget(render);
