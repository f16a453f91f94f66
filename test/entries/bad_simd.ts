/** SIMD without the static guard: compiles in the simd build, must not in base. */
export function splat(p: usize): void {
  v128.store(p, i8x16.splat(7));
}
