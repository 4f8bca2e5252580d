// C[M, N] += A[M, K] B[K, N] for row-major float32 matrices, given as byte addresses in WebAssembly memory.
// Written in AssemblyScript; nn.js carries the compiled module as base64, so that nobody needs the compiler. To build it anew:
//   npx --package assemblyscript asc gemm.ts -O3 --runtime stub --enable simd --importMemory --noAssert -o gemm.wasm
// One pass computes a tile of 4 rows and 8 columns that stays in registers; what is left over at the edges is done one by one.

export function gemm(A: usize, B: usize, C: usize, M: i32, K: i32, N: i32): void {
  const rowA: usize = (<usize>K) << 2, rowB: usize = (<usize>N) << 2;
  let m = 0;
  for (; m + 4 <= M; m += 4) {
    let n = 0;
    for (; n + 8 <= N; n += 8) tile(A + (<usize>m) * rowA, B + ((<usize>n) << 2), C + (<usize>m) * rowB + ((<usize>n) << 2), K, rowA, rowB);
    for (; n < N; n++) for (let i = m; i < m + 4; i++) cell(A, B, C, i, n, K, N);
  }
  for (; m < M; m++) for (let n = 0; n < N; n++) cell(A, B, C, m, n, K, N);
}

// @ts-ignore: decorator
@inline function tile(a: usize, b: usize, c: usize, K: i32, rowA: usize, rowB: usize): void {
  let c00 = v128.load(c), c01 = v128.load(c, 16);
  let c10 = v128.load(c + rowB), c11 = v128.load(c + rowB, 16);
  let c20 = v128.load(c + 2 * rowB), c21 = v128.load(c + 2 * rowB, 16);
  let c30 = v128.load(c + 3 * rowB), c31 = v128.load(c + 3 * rowB, 16);
  for (let k = 0; k < K; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a), a1 = v128.load32_splat(a + rowA);
    const a2 = v128.load32_splat(a + 2 * rowA), a3 = v128.load32_splat(a + 3 * rowA);
    c00 = f32x4.add(c00, f32x4.mul(a0, b0)); c01 = f32x4.add(c01, f32x4.mul(a0, b1));
    c10 = f32x4.add(c10, f32x4.mul(a1, b0)); c11 = f32x4.add(c11, f32x4.mul(a1, b1));
    c20 = f32x4.add(c20, f32x4.mul(a2, b0)); c21 = f32x4.add(c21, f32x4.mul(a2, b1));
    c30 = f32x4.add(c30, f32x4.mul(a3, b0)); c31 = f32x4.add(c31, f32x4.mul(a3, b1));
    a += 4;
    b += rowB;
  }
  v128.store(c, c00); v128.store(c, c01, 16);
  v128.store(c + rowB, c10); v128.store(c + rowB, c11, 16);
  v128.store(c + 2 * rowB, c20); v128.store(c + 2 * rowB, c21, 16);
  v128.store(c + 3 * rowB, c30); v128.store(c + 3 * rowB, c31, 16);
}

// @ts-ignore: decorator
@inline function cell(A: usize, B: usize, C: usize, m: i32, n: i32, K: i32, N: i32): void {
  const c = C + ((<usize>(m * N + n)) << 2);
  let sum = load<f32>(c);
  for (let k = 0; k < K; k++) {
    sum += load<f32>(A + ((<usize>(m * K + k)) << 2)) * load<f32>(B + ((<usize>(k * N + n)) << 2));
  }
  store<f32>(c, sum);
}
