// Runs a small network forward in the browser: one input, layers one after another.
// `program` is the list of layers that nn.py exports; `weights` a DataView of 16-bit floats, to which the layers point.
// Matrix products go through a small WebAssembly module (source: gemm.ts) where the browser takes it, else through loops.

const GEMM_WASM = "AGFzbQEAAAABCgFgBn9/f39/fwACDwEDZW52Bm1lbW9yeQIAAAMCAQAHEQIEZ2VtbQAABm1lbW9yeQIACvIFAe8FAwh/C3sBfSAEQQJ0IQwgBUECdCENA0AgB0EEaiADTARAQQAhCgNAIApBCGogBUwEQCAAIAcgDGxqIQkgCkECdCIGIAFqIQsgAiAHIA1saiAGaiII/QAEACEPIAj9AAQQIRAgCCANaiIG/QAEACERIAb9AAQQIRIgCCANQQF0aiIG/QAEACETIAb9AAQQIRQgCCANQQNsaiIG/QAEACEVIAb9AAQQIRZBACEGA0AgBCAGSgRAIA8gCf0JAgAiDiAL/QAEACIX/eYB/eQBIQ8gECAOIAv9AAQQIhj95gH95AEhECARIAkgDGr9CQIAIg4gF/3mAf3kASERIBIgDiAY/eYB/eQBIRIgEyAJIAxBAXRq/QkCACIOIBf95gH95AEhEyAUIA4gGP3mAf3kASEUIBUgCSAMQQNsav0JAgAiDiAX/eYB/eQBIRUgFiAOIBj95gH95AEhFiAJQQRqIQkgCyANaiELIAZBAWohBgwBCwsgCCAP/QsEACAIIBD9CwQQIAggDWoiBiAR/QsEACAGIBL9CwQQIAggDUEBdGoiBiAT/QsEACAGIBT9CwQQIAggDUEDbGoiBiAV/QsEACAGIBb9CwQQIApBCGohCgwBCwsDQCAFIApKBEAgByEGA0AgBiAHQQRqSARAIAIgBSAGbCAKakECdGoiCCoCACEZQQAhCQNAIAQgCUoEQCAZIAAgBCAGbCAJakECdGoqAgAgASAFIAlsIApqQQJ0aioCAJSSIRkgCUEBaiEJDAELCyAIIBk4AgAgBkEBaiEGDAELCyAKQQFqIQoMAQsLIAdBBGohBwwBCwsDQCADIAdKBEBBACEGA0AgBSAGSgRAIAIgBSAHbCAGakECdGoiCCoCACEZQQAhCgNAIAQgCkoEQCAZIAAgBCAHbCAKakECdGoqAgAgASAFIApsIAZqQQJ0aioCAJSSIRkgCkEBaiEKDAELCyAIIBk4AgAgBkEBaiEGDAELCyAHQQFqIQcMAQsLCw==";

// ---- numbers

export function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
}

export function readHalves(view, start, out) {
  for (let i = 0; i < out.length; i++) out[i] = halfToNumber(view.getUint16(2 * (start + i), true));
  return out;
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);

// ---- C[M, N] += A[M, K] B[K, N]

export function plainGemm(A, B, C, M, K, N) {
  for (let m = 0; m < M; m++) {
    const a = m * K, c = m * N;
    let k = 0;
    for (; k + 4 <= K; k += 4) { // four rows of B at a time: C is read and written a quarter as often
      const a0 = A[a + k], a1 = A[a + k + 1], a2 = A[a + k + 2], a3 = A[a + k + 3];
      const b0 = k * N, b1 = b0 + N, b2 = b1 + N, b3 = b2 + N;
      for (let n = 0; n < N; n++) C[c + n] += a0 * B[b0 + n] + a1 * B[b1 + n] + a2 * B[b2 + n] + a3 * B[b3 + n];
    }
    for (; k < K; k++) for (let n = 0, b = k * N; n < N; n++) C[c + n] += A[a + k] * B[b + n];
  }
}

// A float32 arena in WebAssembly memory with its gemm; null where the browser refuses (no SIMD, or a strict policy).
export function wasmArena(numFloats) {
  try {
    const bytes = Uint8Array.from(atob(GEMM_WASM), (c) => c.charCodeAt(0));
    const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * numFloats) / 65536) + 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    let used = 0;
    return {
      alloc(n) {
        const part = new Float32Array(memory.buffer, used, n);
        used += 16 * Math.ceil(n / 4);
        return part;
      },
      gemm: (A, B, C, M, K, N) => exports.gemm(A.byteOffset, B.byteOffset, C.byteOffset, M, K, N),
    };
  } catch {
    return null;
  }
}

// ---- layers: each takes ([layer, x, shape], tools) and returns [y, shape of y, function that computes y from x]

const pointwise = (f) => (layer, x, shape) => [x, shape, () => { for (let i = 0; i < x.length; i++) x[i] = f(x[i]); }];
const reshape = (layer, x, shape) => [x, layer.op === "flatten" ? [size(shape)] : layer.shape, null];

function fillBias(y, bias) {
  const per = y.length / bias.length;
  for (let o = 0; o < bias.length; o++) y.fill(bias[o], o * per, (o + 1) * per);
}

function linear(layer, x, shape, { alloc, read }) {
  const { in: numIn, out: numOut } = layer;
  const W = read(layer.weight, numOut * numIn), bias = read(layer.bias, numOut), y = alloc(numOut);
  return [y, [numOut], () => {
    for (let o = 0, k = 0; o < numOut; o++) {
      let sum = bias[o];
      for (let i = 0; i < numIn; i++) sum += W[k++] * x[i];
      y[o] = sum;
    }
  }];
}

function conv(layer, x, [, height, width], { alloc, read, scratch, gemm }) {
  const { in: numIn, out: numOut, kernel, stride, padding } = layer;
  const rows = Math.floor((height + 2 * padding - kernel) / stride) + 1;
  const columns = Math.floor((width + 2 * padding - kernel) / stride) + 1;
  const K = numIn * kernel * kernel, N = rows * columns;
  const M = 4 * Math.ceil(numOut / 4); // filled up with rows of zeros: gemm takes four rows at once
  const W = read(layer.weight, numOut * K, M * K), bias = read(layer.bias, numOut);
  const direct = kernel === 1 && stride === 1 && padding === 0;
  const patches = direct ? x : scratch(K * N), all = alloc(M * N), y = all.subarray(0, numOut * N);
  const gather = () => { // one row of `patches` for each input channel and place in the kernel
    patches.fill(0);
    for (let r = 0; r < K; r++) {
      const channel = Math.floor(r / (kernel * kernel)), ky = Math.floor(r / kernel) % kernel, kx = r % kernel;
      for (let row = 0; row < rows; row++) {
        const iy = row * stride + ky - padding;
        if (iy < 0 || iy >= height) continue;
        const from = (channel * height + iy) * width, to = r * N + row * columns;
        for (let column = 0, ix = kx - padding; column < columns; column++, ix += stride) {
          if (ix >= 0 && ix < width) patches[to + column] = x[from + ix];
        }
      }
    }
  };
  const run = () => { if (!direct) gather(); fillBias(y, bias); gemm(W, patches, all, M, K, N); };
  return [y, [numOut, rows, columns], run];
}

function convTranspose(layer, x, [, height, width], { alloc, read, scratch, gemm }) { // kernel 4, stride 2, padding 1
  const { in: numIn, out: numOut } = layer, M = numOut * 16, N = height * width;
  const stored = read(layer.weight, numIn * M), W = alloc(M * numIn), bias = read(layer.bias, numOut);
  for (let i = 0; i < W.length; i++) W[i] = stored[(i % numIn) * M + Math.floor(i / numIn)]; // torch: (in, out, 4, 4)
  const parts = scratch(M * N), y = alloc(numOut * 4 * N), W2 = 2 * width, H2 = 2 * height;
  const scatter = () => {
    for (let m = 0; m < M; m++) {
      const channel = m >> 4, ky = (m >> 2) & 3, kx = m & 3;
      for (let row = 0; row < height; row++) {
        const oy = 2 * row + ky - 1;
        if (oy < 0 || oy >= H2) continue;
        const from = m * N + row * width, to = (channel * H2 + oy) * W2;
        for (let column = 0, ox = kx - 1; column < width; column++, ox += 2) {
          if (ox >= 0 && ox < W2) y[to + ox] += parts[from + column];
        }
      }
    }
  };
  return [y, [numOut, H2, W2], () => { parts.fill(0); gemm(W, x, parts, M, numIn, N); fillBias(y, bias); scatter(); }];
}

function groupNorm(layer, x, shape, { read }) {
  const { channels, groups, tiny } = layer, n = x.length / groups, per = x.length / channels;
  const gain = read(layer.weight, channels), bias = read(layer.bias, channels);
  return [x, shape, () => {
    for (let start = 0; start < x.length; start += n) {
      let mean = 0, variance = 0;
      for (let i = start; i < start + n; i++) mean += x[i] / n;
      for (let i = start; i < start + n; i++) variance += (x[i] - mean) ** 2 / n;
      const scale = 1 / Math.sqrt(variance + tiny);
      for (let i = start; i < start + n; i++) {
        const channel = Math.floor(i / per);
        x[i] = (x[i] - mean) * scale * gain[channel] + bias[channel];
      }
    }
  }];
}

function upsample(layer, x, [channels, height, width], { alloc }) { // nearest neighbour, twice as wide and high
  const y = alloc(4 * channels * height * width), wide = 2 * width;
  return [y, [channels, 2 * height, wide], () => {
    for (let i = 0; i < y.length; i++) {
      const column = i % wide, row = Math.floor(i / wide); // rows of all channels, one under the other
      y[i] = x[(row >> 1) * width + (column >> 1)];
    }
  }];
}

function residual(layer, x, shape, tools) { // x + program(x); the program may work on x in place, so x is kept
  const kept = tools.alloc(size(shape)), [y, newShape, steps] = chain(layer.program, x, shape, tools);
  return [y, newShape, () => {
    kept.set(x);
    for (const step of steps) step();
    for (let i = 0; i < y.length; i++) y[i] += kept[i];
  }];
}

const LAYERS = {
  linear, conv, conv_transpose: convTranspose, group_norm: groupNorm, upsample, residual, flatten: reshape, unflatten: reshape,
  relu: pointwise((v) => Math.max(v, 0)),
  silu: pointwise((v) => v / (1 + Math.exp(-v))),
  sigmoid: pointwise((v) => 1 / (1 + Math.exp(-v))),
  tanh: pointwise(Math.tanh),
};

// ---- the network

function chain(program, x, shape, tools) { // layers one after another: output, its shape, and what computes it
  const steps = [];
  for (const layer of program) {
    if (!LAYERS[layer.op]) throw new Error(`this page cannot run a layer of the kind "${layer.op}"`);
    const [y, newShape, step] = LAYERS[layer.op](layer, x, shape, tools);
    if (step) steps.push(step);
    [x, shape] = [y, newShape];
  }
  return [x, shape, steps];
}

function build(program, weights, inputShape, { alloc, scratch, gemm }) {
  const read = (start, n, room = n) => { // memory is zero at birth, and so is a missing bias
    const out = alloc(room);
    if (start !== null && start !== undefined) readHalves(weights, start, out.subarray(0, n));
    return out;
  };
  const input = alloc(size(inputShape));
  const [output, shape, steps] = chain(program, input, inputShape, { alloc, read, scratch, gemm });
  return { shape, run(values) { input.set(values); for (const step of steps) step(); return output; } };
}

// Prepare a program once; then `run([z1, z2])` returns the output, an array that the next run overwrites.
// All memory is laid out here, in two passes: the first only counts. Float64Array serves the tests.
export function compile(program, weights, { inputShape = [2], Float = Float32Array, simd = true } = {}) {
  let total = 0, largest = 0;
  const nothing = new Float(0);
  build(program, weights, inputShape, {
    alloc: (n) => { total += 4 * Math.ceil(n / 4); return nothing; },
    scratch: (n) => { largest = Math.max(largest, n); return nothing; },
  });
  const quick = simd && Float === Float32Array && wasmArena(total + largest + 64);
  const { alloc, gemm } = quick || { alloc: (n) => new Float(n), gemm: plainGemm };
  const shared = alloc(largest);
  return build(program, weights, inputShape, { alloc, gemm, scratch: (n) => shared.subarray(0, n) });
}
