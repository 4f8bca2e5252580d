// The same numbers as lib/widgets/portable_noise.py: number i of a stream is a function of (seed, stream, i) alone.

const GOLDEN = 0x9e3779b9;

function mix(x) {
  x ^= x >>> 16;
  x = Math.imul(x, 0x21f0aaad);
  x ^= x >>> 15;
  x = Math.imul(x, 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

// A stream of uniform numbers between 0 and 1, both excluded, by their place.
export function uniformStream(seed, stream = 0) {
  const key = mix(mix((seed + GOLDEN) | 0) ^ stream);
  return (i) => (mix(mix((i + GOLDEN) | 0) ^ key) + 0.5) / 4294967296;
}

// The first `num` standard normal numbers of a stream, by Box and Muller.
export function normals(num, seed, stream = 0) {
  const u = uniformStream(seed, stream), out = new Float64Array(num);
  for (let i = 0; i < num; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(u(i))), angle = 2 * Math.PI * u(i + 1);
    out[i] = radius * Math.cos(angle);
    if (i + 1 < num) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}
