/** A wasm module of the hash, MAC, PRF and stream kernels for tests on the host; `arena` is RAM that the caller arranges. */
import "../../assembly/rt/fault";
export * from "../../assembly/crypto/hash";
export * from "../../assembly/crypto/hmac";
export * from "../../assembly/crypto/prf";
export { prfPlus } from "../../assembly/crypto/prf_plus";
export { drbgGenerate, drbgReseed, drbgSeed, drbgU32 } from "../../assembly/crypto/drbg";
export { transformFind } from "../../assembly/crypto/transform";

const ARENA_OCTETS: i32 = 1 << 20;
const memoryArena: usize = memory.data(ARENA_OCTETS, 64);

/** Address of 1 MiB for keys, messages and contexts. */
export function arena(): usize {
  return memoryArena;
}
