// The numbers behind the latent map. Codes are a flat array x1, y1, x2, y2, …

export function nearest(codes, z, count = codes.length / 2) {
  let index = -1, best = Infinity;
  for (let i = 0; i < count; i++) {
    const d = (codes[2 * i] - z[0]) ** 2 + (codes[2 * i + 1] - z[1]) ** 2;
    if (d < best) [index, best] = [i, d];
  }
  return { index, distance: Math.sqrt(best) };
}

// Median distance from a code to its nearest neighbour (seen from at most 400 of them).
export function usualGap(codes) {
  const count = codes.length / 2, stride = Math.max(1, Math.ceil(count / 400)), gaps = [];
  const squared = (i, j) => (codes[2 * i] - codes[2 * j]) ** 2 + (codes[2 * i + 1] - codes[2 * j + 1]) ** 2;
  for (let i = 0; i < count; i += stride) {
    let best = Infinity;
    for (let j = 0; j < count; j++) {
      if (j !== i) best = Math.min(best, squared(i, j));
    }
    gaps.push(Math.sqrt(best));
  }
  gaps.sort((a, b) => a - b);
  const middle = gaps.length >> 1;
  return gaps.length % 2 ? gaps[middle] : (gaps[middle - 1] + gaps[middle]) / 2;
}

// The smallest square around all codes, as centre and half its side.
export function cloudSquare(codes) {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (let i = 0; i < codes.length; i++) {
    low[i % 2] = Math.min(low[i % 2], codes[i]);
    high[i % 2] = Math.max(high[i % 2], codes[i]);
  }
  const radius = Math.max(high[0] - low[0], high[1] - low[1], 1e-6) / 2;
  return { center: [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2], radius };
}

const reach = (center, z) => Math.max(Math.abs(z[0] - center[0]), Math.abs(z[1] - center[1]));

export const holds = ({ center, radius }, z) => reach(center, z) <= radius;

// What the map shows. Without zoom: the cloud with a margin, and the cross wherever it is. Zoomed: a smaller square, which
// stays where it was (`before`) until the cross comes near its edge, and then has the cross in its middle.
export function viewSquare({ center, radius }, z, zoom = 1, before = null) {
  if (zoom === 1) return { center, radius: Math.max(1.25 * radius, reach(center, z)) };
  const smaller = (1.25 * radius) / zoom;
  const stays = before?.radius === smaller && reach(before.center, z) <= 0.9 * smaller;
  return { center: stays ? before.center : z, radius: smaller };
}

// One step outwards on the ray from the centre of the cloud through z.
export function stepOut({ center }, z, distance) {
  const dx = z[0] - center[0], dy = z[1] - center[1], length = Math.hypot(dx, dy);
  const [ux, uy] = length > 1e-9 ? [dx / length, dy / length] : [Math.SQRT1_2, Math.SQRT1_2];
  return [z[0] + distance * ux, z[1] + distance * uy];
}

export const distanceFrom = ({ center }, z) => Math.hypot(z[0] - center[0], z[1] - center[1]);

// Middles of the cells of a grid over the view, from the top left, row by row.
export function gridPoints({ center, radius }, side) {
  const place = (i) => radius * ((2 * i + 1) / side - 1);
  const point = (_, i) => [center[0] + place(i % side), center[1] - place(Math.floor(i / side))];
  return Array.from({ length: side * side }, point);
}
