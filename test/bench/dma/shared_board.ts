/**
 * An IPsec board whose RAM is shared memory, which the product has none of: the same image with the flag of its memory import set
 * (WebAssembly threads proposal, limits), on a memory that is shared.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LINK_ATM } from "../../../assembly/abi/fabric.ts";
import { BUILD_DIRECTORY, type Image, loadImage } from "../../../host/chassis/image.ts";
import { Bench, CONTROL_KEY } from "../../host/ipsec_bench.ts";

const SECTION_IMPORT = 2;
const KIND_MEMORY = 2;
const HAS_MAXIMUM = 1;
const SHARED = 2;

/** Reads an unsigned LEB128 number: its value and what is behind it. */
function leb(octets: Uint8Array, at: number): [value: number, next: number] {
  let [value, shift] = [0, 0];
  for (let i = at; ; i++, shift += 7) {
    value |= (octets[i]! & 127) << shift;
    if (octets[i]! < 128) return [value >>> 0, i + 1];
  }
}

/** The module with a memory import that is shared. Throws when its first import is not a memory with a maximum. */
export function withSharedMemory(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const octets = Uint8Array.from(module);
  for (let at = 8; at < octets.length; ) {
    const id = octets[at]!;
    const [size, body] = leb(octets, at + 1);
    if (id === SECTION_IMPORT) {
      let [, next] = leb(octets, body);
      for (let name = 0; name < 2; name++) {
        const [length, text] = leb(octets, next);
        next = text + length;
      }
      if (octets[next] !== KIND_MEMORY || octets[next + 1] !== HAS_MAXIMUM) break;
      octets[next + 1] = HAS_MAXIMUM | SHARED;
      return octets;
    }
    at = body + size;
  }
  throw new Error("the first import is not a memory with a maximum");
}

const IMAGE = "ipsec.simd.wasm";

/** A board with one pair of SAs, its RAM shared or its own. */
export function boardWith(memory: "private" | "shared"): Bench {
  const path = join(BUILD_DIRECTORY, IMAGE);
  const image = loadImage(path);
  const room = { conservation: false };
  let bench: Bench;
  if (memory === "private") bench = new Bench("simd", LINK_ATM, [], CONTROL_KEY, { ...room, image });
  else {
    const module = new WebAssembly.Module(withSharedMemory(readFileSync(path)));
    const shared: Image = { ...image, module };
    bench = onSharedMemory(() => new Bench("simd", LINK_ATM, [], CONTROL_KEY, { ...room, image: shared }));
    if (!(bench.board.u8.buffer instanceof SharedArrayBuffer)) throw new Error("the board's RAM is not shared");
  }
  bench.pair({ window: 64 });
  return bench;
}

/** What `make` makes has memories that are shared: the chassis itself knows no such thing. */
function onSharedMemory<T>(make: () => T): T {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super({ ...descriptor, shared: true });
    }
  };
  try {
    return make();
  } finally {
    WebAssembly.Memory = Memory;
  }
}
