/** Packing: contents come back as they were, whatever is zero in them, and what does not add up does not. */
import { PACKING_MAX, pack, unpack } from "../../../assembly/checkpoint/packing";

const MOST: u32 = 9472;
const original: usize = memory.data(9472, 8);
const packed: usize = memory.data(9472 + 256, 8);
const back: usize = memory.data(9472, 8);

/** Fills `octets` of the original; in each word of eight the octet is `fill`, but for words whose number `every` divides: they are zero. */
function make(octets: u32, fill: u8, every: u32): void {
  for (let i: u32 = 0; i < octets; i++) store<u8>(original + i, every != 0 && (i >>> 3) % every == 0 ? 0 : fill);
  memory.fill(packed, 0xee, MOST + 256);
  memory.copy(packed, original, octets);
}

function same(octets: u32): bool {
  for (let i: u32 = 0; i < octets; i++) if (load<u8>(original + i) != load<u8>(back + i)) return false;
  return true;
}

describe("packing", () => {
  it("gives back what it was given, of any length and with any words zero", () => {
    for (let octets: u32 = 0; octets < 200; octets++) {
      for (let every: u32 = 0; every < 5; every++) {
        make(octets, <u8>(octets + 1), every);
        const length = pack(packed, octets);
        assert(length <= octets + PACKING_MAX, "no longer than is said");
        assert(load<u8>(packed + octets + PACKING_MAX) == 0xee, "nothing is written behind its room");
        memory.fill(back, 0xdd, MOST);
        assert(unpack(packed, length, back, MOST) == <i32>octets && same(octets), "as it was");
      }
    }
    make(9216, 7, 3);
    const length = pack(packed, 9216);
    expect(length).toBe(768 * 8 + 144 + 4);
    expect(unpack(packed, length, back, MOST)).toBe(9216);
    expect(same(9216)).toBe(true);
  });

  it("leaves nothing of the contents behind what is packed", () => {
    make(1024, 9, 2);
    const length = pack(packed, 1024);
    expect(length).toBe(64 * 8 + 16 + 4);
    for (let i: u32 = length; i < 1024; i++) assert(load<u8>(packed + i) == 0, "wiped");
  });

  it("takes nothing that does not add up, and writes nothing outside of its room", () => {
    make(256, 5, 4);
    const length = pack(packed, 256);
    expect(unpack(packed, 3, back, MOST)).toBe(-1);
    expect(unpack(packed, length - 1, back, MOST)).toBe(-1);
    memory.fill(back, 0xdd, MOST);
    expect(unpack(packed, length, back, 248)).toBe(-1);
    expect(load<u8>(back)).toBe(0xdd);
    // A word more than there is, a word less, more octets than can be.
    const marks = packed + length - 8;
    const before = load<u8>(marks);
    store<u8>(marks, before | 1);
    expect(unpack(packed, length, back, MOST)).toBe(-1);
    store<u8>(marks, before & ~2);
    expect(unpack(packed, length, back, MOST)).toBe(-1);
    store<u8>(marks, before);
    expect(unpack(packed, length, back, MOST)).toBe(256);
    store<u32>(packed + length - 4, 0xffffffff);
    expect(unpack(packed, length, back, MOST)).toBe(-1);
    store<u32>(packed + length - 4, 0xfffffff8);
    expect(unpack(packed, length, back, MOST)).toBe(-1);
  });
});
