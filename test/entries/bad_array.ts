/** Builds an array at run time: must not compile (rt/managed.ts). */
export function sum(n: i32): i32 {
  const list: i32[] = [];
  for (let i = 0; i < n; i++) list.push(i);
  return list.length;
}
