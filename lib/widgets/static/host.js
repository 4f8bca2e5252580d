// Starts a widget on a page without a kernel. In scope: STATE, ESM, CSS, their hashes, and KEY, the hash of all.
const toView = (base64) => new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
const revive = (v) => {
  if (v === null || typeof v !== "object") return v;
  if (typeof v.$b64 === "string") return toView(v.$b64);
  return Array.isArray(v) ? v.map(revive) : Object.fromEntries(Object.entries(v).map(([k, x]) => [k, revive(x)]));
};
// stands in for the model of a live widget: same methods, nobody at the other end
const makeModel = () => {
  const state = revive(STATE), heard = new Map();
  return {
    get: (name) => state[name],
    set(name, value) {
      if (Object.is(state[name], value)) return;
      state[name] = value;
      for (const event of [`change:${name}`, "change"]) for (const f of [...(heard.get(event) ?? [])]) f();
    },
    on(event, f) { heard.set(event, [...(heard.get(event) ?? []), f]); },
    off(event, f) { heard.set(event, f ? (heard.get(event) ?? []).filter((g) => g !== f) : []); },
    save_changes() {}, send() {}, isStatic: true,
  };
};
// one module and one style for all widgets of a kind on the page
const shared = (window.courseWidgets ??= { modules: {} });
const load = () => {
  const file = new Blob([ESM], { type: "text/javascript" });
  return (shared.modules[ESM_KEY] ??= import(URL.createObjectURL(file)));
};
const start = async (root) => {
  if (CSS && !document.querySelector(`style[data-dw-css="${CSS_KEY}"]`)) {
    const style = document.createElement("style");
    style.dataset.dwCss = CSS_KEY;
    style.textContent = CSS;
    document.head.append(style);
  }
  const made = (await load()).default, widget = typeof made === "function" ? await made() : made;
  const el = document.createElement("div"), model = makeModel();
  await widget.initialize?.({ model });
  await widget.render({ model, el });
  root.replaceChildren(el);
};
for (const root of document.querySelectorAll(`.dw-root[data-dw="${KEY}"]:not([data-dw-on])`)) {
  root.setAttribute("data-dw-on", "");
  start(root).catch((error) => {
    const note = document.createElement("p");
    note.className = "dw-error";
    note.textContent = `The interactive figure could not start here (${error.message}). Its first state is shown instead.`;
    root.append(note);
  });
}
