/**
 * The noheap runtime: what asc links where a program would allocate a managed object.
 *
 * Each function is a compile-time ERROR that fires as soon as it is referenced, so that a managed allocation fails the build instead of growing
 * memory in the field. Firmware uses `@unmanaged` overlays on static memory and on the arena (rt/arena.ts).
 */

// @ts-ignore: decorator
@unsafe @global
export function __new(size: usize, id: u32): usize {
  ERROR("firmware may not allocate managed objects");
  return 0;
}

// @ts-ignore: decorator
@unsafe @global
export function __renew(oldPtr: usize, size: usize): usize {
  ERROR("firmware may not allocate managed objects");
  return 0;
}

// @ts-ignore: decorator
@unsafe @global
export function __alloc(size: usize): usize {
  ERROR("firmware may not allocate memory: take it from the arena at reset");
  return 0;
}

// @ts-ignore: decorator
@unsafe @global
export function __realloc(ptr: usize, size: usize): usize {
  ERROR("firmware may not allocate memory: take it from the arena at reset");
  return 0;
}

// @ts-ignore: decorator
@unsafe @global
export function __free(ptr: usize): void {
  ERROR("firmware may not free memory");
}

// @ts-ignore: decorator
@global @unsafe
export function __link(parentPtr: usize, childPtr: usize, expectMultiple: bool): void {}

// @ts-ignore: decorator
@global @unsafe
export function __collect(): void {
  ERROR("firmware has no garbage collector");
}

// @ts-ignore: decorator
@global @unsafe
export function __visit(ptr: usize, cookie: u32): void {}
