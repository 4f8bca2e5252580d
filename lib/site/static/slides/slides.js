// Starts reveal.js; a slide that is taller than the screen is made smaller until it fits.
const HEIGHT = 700;

function fit() {
  const slide = Reveal.getCurrentSlide();
  if (!slide) return;
  slide.style.zoom = 1;
  const tall = slide.scrollHeight / (HEIGHT - 10);
  if (tall > 1) slide.style.zoom = 1 / tall;
  Reveal.layout();
}

Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
Reveal.initialize({
  width: 1120,
  height: HEIGHT,
  margin: 0.04,
  center: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  plugins: [RevealNotes],
  keyboardCondition: (event) => !event.target.closest?.(".dw"), // keys in a widget belong to the widget
}).then(() => {
  window.addEventListener("load", fit);
  window.MathJax?.startup?.promise?.then(fit);
  setTimeout(fit, 600);
  const drawn = new MutationObserver(() => setTimeout(fit, 100)); // a widget puts itself in the place of its preview
  for (const root of document.querySelectorAll(".dw-root")) drawn.observe(root, { childList: true });
});
