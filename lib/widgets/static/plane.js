// The plane that particles move on: axes, dots, arrows and outlines as SVG paths, and the data that arrive from Python.
import { denoiser } from "./particle_numbers.js";
import { h, ticks } from "./ui.js";

export const SIDE = 400;
const MARGIN = 3, CELLS = 17;
const PARTS = ["data", "arrows", "dots", "trace", "own"];

export function readSet(entry) { // 32-bit positions, and for a finite set also its points
  const start = Float64Array.from({ length: entry.start.byteLength / 4 }, (_, i) => entry.start.getFloat32(4 * i, true));
  return { start, denoise: denoiser(entry.weights ? entry : { points: start }), mixture: entry.weights ? entry : null };
}

export function makeScene(reach, names = PARTS) { // one path for each name, the later above the earlier
  const X = (x) => MARGIN + ((SIDE - 2 * MARGIN) * (x + reach)) / (2 * reach), Y = (y) => SIDE - X(y);
  const marks = ticks(-reach, reach, 6).filter((v) => Math.abs(v) < reach).flatMap((v) => [
    h("line", { x1: X(v), x2: X(v), y1: Y(reach), y2: Y(-reach), class: v === 0 ? "dw-zero" : "dw-grid" }),
    h("line", { x1: X(-reach), x2: X(reach), y1: Y(v), y2: Y(v), class: v === 0 ? "dw-zero" : "dw-grid" })]);
  const part = Object.fromEntries(names.map((name) => [name, h("path", { class: `dw-particle-${name}` })]));
  const svg = h("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "dw-plot dw-plane-plot", role: "img" },
    h("g", {}, ...marks), ...Object.values(part),
    h("rect", { x: X(-reach), y: Y(reach), width: SIDE - 2 * MARGIN, height: SIDE - 2 * MARGIN, class: "dw-frame" }));
  const dot = (x, y, r) => `M${(X(x) - r).toFixed(1)},${Y(y).toFixed(1)}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`;
  const inside = (x, y) => Math.abs(x) <= reach && Math.abs(y) <= reach;
  const dots = (places, r) => {
    let d = "";
    for (let i = 0; i < places.length; i += 2) if (inside(places[i], places[i + 1])) d += dot(places[i], places[i + 1], r);
    return d;
  };
  const arrow = (x, y, dx, dy) => { // a line with a small head; dx, dy in pixels
    const [px, py] = [X(x) - dx / 2, Y(y) - dy / 2], [qx, qy] = [px + dx, py + dy];
    const head = `M${(qx - 0.38 * dx + 0.24 * dy).toFixed(1)},${(qy - 0.38 * dy - 0.24 * dx).toFixed(1)}L${qx.toFixed(1)},${qy.toFixed(1)}L${(qx - 0.38 * dx - 0.24 * dy).toFixed(1)},${(qy - 0.38 * dy + 0.24 * dx).toFixed(1)}`;
    return `M${px.toFixed(1)},${py.toFixed(1)}L${qx.toFixed(1)},${qy.toFixed(1)}${head}`;
  };
  const ellipse = (x, y, [xx, xy, yy], times) => { // points at `times` standard deviations, by the Cholesky factor
    const a = Math.sqrt(xx), b = xy / a, c = Math.sqrt(yy - b * b), around = [];
    for (let i = 0; i <= 40; i++) {
      const u = times * Math.cos((i * Math.PI) / 20), v = times * Math.sin((i * Math.PI) / 20);
      around.push(`${X(x + a * u).toFixed(1)},${Y(y + b * u + c * v).toFixed(1)}`);
    }
    return `M${around.join("L")}`;
  };
  const outlines = ({ weights, means, covs }) => weights.flatMap((_, k) => [1, 2].map((times) =>
    ellipse(means[2 * k], means[2 * k + 1], covs.slice(3 * k, 3 * k + 3), times))).join("");
  const place = (px, py) => [((px - MARGIN) / (SIDE - 2 * MARGIN)) * 2 * reach - reach, reach - ((py - MARGIN) / (SIDE - 2 * MARGIN)) * 2 * reach];
  return { svg, part, X, Y, dots, dot, arrow, outlines, place, inside };
}

// Arrows on a grid: their length grows with the field and ends at the size of a cell.
export function drawArrows(scene, reach, field) {
  const cell = (2 * reach) / CELLS, grid = new Float64Array(2 * CELLS * CELLS);
  for (let i = 0; i < CELLS * CELLS; i++) {
    grid[2 * i] = -reach + cell * (0.5 + (i % CELLS));
    grid[2 * i + 1] = -reach + cell * (0.5 + Math.floor(i / CELLS));
  }
  const { vectors, usual } = field(grid), longest = (0.92 * (SIDE - 2 * MARGIN)) / CELLS;
  let d = "";
  for (let i = 0; i < grid.length; i += 2) {
    const length = Math.hypot(vectors[i], vectors[i + 1]);
    if (!(length > 0)) continue;
    const pixels = (longest * (1 - Math.exp(-length / usual))) / length;
    if (pixels * length > 1.5) d += scene.arrow(grid[i], grid[i + 1], pixels * vectors[i], -pixels * vectors[i + 1]);
  }
  return d;
}
