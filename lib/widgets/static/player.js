// What moving figures share: a play button, stored bytes, and a place on a plot that answers pointer and keys.
import { calm, h } from "./ui.js";

// A button that calls `advance(seconds)` every frame until it returns false. Nothing moves before a press; where the
// reader's system asks for less motion, a press makes one step of `stride` seconds.
export function player({ label, advance, begin = () => {}, done = () => {}, stride = 0.5, symbol = "\u25B6" }) {
  const sign = h("span", { class: "dw-sign", "aria-hidden": "true" }), words = h("span");
  const button = h("button", { type: "button", class: "dw-button dw-play" }, sign, words);
  let frame = 0;
  const show = () => {
    sign.textContent = frame ? "\u275A\u275A" : symbol;
    words.textContent = frame ? "Pause" : label;
    button.setAttribute("aria-pressed", String(frame !== 0));
  };
  const stop = () => { if (frame) { cancelAnimationFrame(frame); frame = 0; show(); done(); } };
  button.addEventListener("click", () => {
    if (frame) { stop(); return; }
    begin();
    if (calm()) { advance(stride); done(); return; }
    let before = performance.now();
    const tick = (time) => {
      const passed = Math.min(Math.max(time - before, 0), 100) / 1000;
      before = time;
      frame = requestAnimationFrame(tick);
      if (!advance(passed)) stop();
    };
    frame = requestAnimationFrame(tick);
    show();
  });
  show();
  return { button, stop, playing: () => frame !== 0 };
}

// Bytes that Python has packed with zlib.
export async function unpack(view) {
  const stream = new Blob([view]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Follow a pointer from press to release over an SVG (or a box around it): `move` and `press` get its place in units of
// the viewBox.
export function follow(svg, { target = svg, press = () => true, move, done = () => {} }) {
  let held = false;
  const place = (e) => {
    const box = svg.getBoundingClientRect(), { width, height } = svg.viewBox.baseVal;
    return [((e.clientX - box.left) / box.width) * width, ((e.clientY - box.top) / box.height) * height];
  };
  target.addEventListener("pointerdown", (e) => {
    if (e.button > 0) return;
    const at = place(e);
    if (!press(...at)) return;
    held = true;
    target.setPointerCapture(e.pointerId);
    e.preventDefault();
    move(...at);
  });
  target.addEventListener("pointermove", (e) => { if (held) move(...place(e)); });
  const release = () => { if (held) { held = false; done(); } };
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) target.addEventListener(end, release);
}
