// A derivation: steps with their checks, gathered into groups at each zoom level.
import { asWidget, freshId, h, listener } from "./ui.js";

// ---- what stands on the page, tested in node

// One entry for each group of the level (with the positions of its steps), or for each step of a level without groups.
export function outline(steps, groups, level) {
  const members = groups[String(level)];
  if (!members || !members.length) return steps.map((_, i) => ({ step: i }));
  return members.map((group) => ({
    group, steps: Array.from({ length: group.last - group.first + 1 }, (_, i) => group.first + i),
  }));
}

// A group has passed when all of its steps have, and has failed when one of them has.
export function stateOf(steps, positions) {
  const states = positions.map((i) => steps[i].state);
  return states.includes("failed") ? "failed" : states.every((s) => s === "passed") ? "passed" : "open";
}

// The formula a step starts from need not be repeated when the step before ended with it.
export const startsAfresh = (steps, i, first) => i === first || steps[i].before_mathml !== steps[i - 1].after_mathml;

// ---- elements

const WORDS = { passed: "checked", failed: "failed", open: "not checked" };
const MARKS = { passed: "✓", failed: "✗", open: "–" };

function badge(state, detail) {
  const text = detail ? `${WORDS[state]}: ${detail}` : WORDS[state];
  return h("span", { class: `dw-badge dw-${state}` }, h("span", { "aria-hidden": "true" }, MARKS[state] + " "), text);
}

// Markup made by the course, never text from elsewhere (see derivation_view.py).
function markup(tag, className, source) {
  const e = h(tag, { class: className });
  e.innerHTML = source;
  return e;
}

function stepItem(steps, i, first) {
  const step = steps[i], parts = [];
  if (startsAfresh(steps, i, first) && step.before_mathml) parts.push(markup("div", "dw-formula", step.before_mathml));
  const sign = h("span", { class: "dw-sign", "aria-hidden": "true" }, "→");
  parts.push(h("div", { class: "dw-arrow" }, sign, markup("div", "dw-formula", step.after_mathml)));
  const detail = step.result && step.result !== step.kind ? `${step.kind}, ${step.result}` : step.kind;
  return h("li", { class: "dw-step", tabindex: -1, "data-step": step.id },
    h("div", { class: "dw-step-head" }, h("span", { class: "dw-step-id" }, step.id), badge(step.state, detail)),
    ...parts, markup("p", "dw-why", step.why_html));
}

function groupItem(steps, entry, isOpen, toggle) {
  const { group } = entry, id = freshId(), list = h("ol", { class: "dw-steps dw-inner", id });
  const state = { "aria-expanded": isOpen, "aria-controls": id, "data-group": group.id, onclick: () => toggle(group.id) };
  const caret = h("span", { class: "dw-caret", "aria-hidden": "true" });
  const button = h("button", { type: "button", class: "dw-fold", ...state }, caret, group.title);
  const count = entry.steps.length, from = steps[group.first].id, to = steps[group.last].id;
  const extent = h("span", { class: "dw-count" }, count === 1 ? from : `${from} to ${to}, ${count} steps`);
  const head = h("div", { class: "dw-step-head" }, button, extent, badge(stateOf(steps, entry.steps)));
  const item = h("li", { class: "dw-group" }, head);
  if (isOpen) list.append(...entry.steps.map((i) => stepItem(steps, i, group.first)));
  else if (group.summary_mathml) item.append(markup("div", "dw-formula", group.summary_mathml));
  list.hidden = !isOpen;
  item.append(list);
  return item;
}

// Formulas wider than their box scroll inside it, and then the keyboard must reach them.
function watchFormulas(root) {
  const check = () => root.querySelectorAll(".dw-formula").forEach((box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    const needed = { tabindex: 0, role: "group", "aria-label": "formula, scrolls sideways" };
    for (const [name, value] of Object.entries(needed)) {
      if (scrolls) box.setAttribute(name, value); else box.removeAttribute(name);
    }
  });
  const observer = new ResizeObserver(check);
  observer.observe(root);
  return { check, stop: () => observer.disconnect() };
}

// ---- the widget

function render({ model, el }) {
  const steps = model.get("steps"), groups = model.get("groups"), levels = model.get("levels"), open = new Set();
  const name = freshId(), list = h("ol", { class: "dw-steps" }), count = h("span", { class: "dw-count" });
  const all = h("button", { type: "button", class: "dw-button" });

  const segments = h("fieldset", { class: "dw-segments" }, h("legend", {}, "Zoom"), ...levels.map((level) => {
    const id = freshId(), choose = () => { model.set("zoom", level); model.save_changes(); };
    const input = h("input", { type: "radio", name, id, value: level, onchange: choose });
    const count = outline(steps, groups, level).length;
    return h("span", { class: "dw-segment" }, input, h("label", { for: id }, `${count} steps`));
  }));

  const entries = () => outline(steps, groups, model.get("zoom"));
  const stops = () => [...list.querySelectorAll(".dw-fold, .dw-step")].filter((e) => !e.closest("[hidden]"));
  const groupOf = (stepId) => entries().find((e) => e.group && e.steps.some((i) => steps[i].id === stepId))?.group.id;
  const find = (stop) => { // how to find the same place again after the list was drawn anew
    const kind = stop?.dataset.step ? "step" : "group";
    return stop && `[data-${kind}="${CSS.escape(stop.dataset[kind])}"]`;
  };

  const markCurrent = () => {
    const current = model.get("step");
    let reachable = null;
    for (const stop of stops()) {
      const isCurrent = stop.dataset.step !== undefined && stop.dataset.step === current;
      if (stop.dataset.step) stop.tabIndex = isCurrent ? 0 : -1;
      stop.classList.toggle("dw-current", isCurrent);
      if (isCurrent) reachable = stop;
      if (isCurrent) stop.setAttribute("aria-current", "step"); else stop.removeAttribute("aria-current");
    }
    const first = list.querySelector(".dw-step");
    if (!reachable && first && !groups[String(model.get("zoom"))]) first.tabIndex = 0; // one way in by the Tab key
  };
  const draw = () => {
    const active = document.activeElement, focused = list.contains(active) && find(active.closest(".dw-step, .dw-fold"));
    const shown = entries(), folded = shown.filter((e) => e.group);
    const item = (e) => (e.group ? groupItem(steps, e, open.has(e.group.id), toggle) : stepItem(steps, e.step, 0));
    list.replaceChildren(...shown.map(item));
    segments.querySelectorAll("input").forEach((input) => (input.checked = Number(input.value) === model.get("zoom")));
    const passed = steps.filter((s) => s.state === "passed").length;
    count.textContent = `${passed} of ${steps.length} steps checked`;
    all.hidden = !folded.length;
    all.textContent = folded.every((e) => open.has(e.group.id)) ? "Close all" : "Open all";
    markCurrent();
    watch.check();
    if (focused) list.querySelector(focused)?.focus();
  };
  const toggle = (id) => { if (!open.delete(id)) open.add(id); draw(); };
  const reveal = () => { const id = groupOf(model.get("step")); if (id) open.add(id); };
  all.addEventListener("click", () => {
    const ids = entries().filter((e) => e.group).map((e) => e.group.id), close = ids.every((id) => open.has(id));
    ids.forEach((id) => (close ? open.delete(id) : open.add(id)));
    draw();
  });

  list.addEventListener("keydown", (e) => {
    const here = e.target.closest?.(".dw-step, .dw-fold"), places = stops(), at = places.indexOf(here);
    const scrolls = e.target.classList.contains("dw-formula") && /Left|Right/.test(e.key);
    if (at < 0 || scrolls || e.ctrlKey || e.metaKey || e.altKey) return;
    const goal = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: places.length - 1 }[e.key];
    const folds = here.dataset.group && { ArrowRight: "false", ArrowLeft: "true" }[e.key];
    if (goal !== undefined) places[goal]?.focus();
    else if (folds && here.getAttribute("aria-expanded") === folds) toggle(here.dataset.group);
    else return;
    e.preventDefault();
    e.stopPropagation(); // JupyterLab would move to another cell
  });
  list.addEventListener("focusin", (e) => {
    const step = e.target.closest(".dw-step");
    if (step && step.dataset.step !== model.get("step")) { model.set("step", step.dataset.step); model.save_changes(); }
  });
  list.addEventListener("click", (e) => {
    if (!getSelection()?.toString()) e.target.closest(".dw-step")?.focus({ preventScroll: true });
  });

  el.classList.add("dw-derivation");
  const title = h("strong", { class: "dw-title" }, model.get("title"));
  el.append(h("div", { class: "dw-bar" }, title, segments, all, count), list);
  const watch = watchFormulas(el), listen = listener(model);
  listen("zoom", () => { open.clear(); reveal(); draw(); });
  listen("step", () => {
    const id = groupOf(model.get("step"));
    if (id && !open.has(id)) { open.add(id); draw(); } else markCurrent();
    if (!list.contains(document.activeElement)) list.querySelector(".dw-current")?.scrollIntoView({ block: "nearest" });
  });
  reveal();
  draw();
  return () => { watch.stop(); listen.stop(); };
}

export default asWidget(render);
