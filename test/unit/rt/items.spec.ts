/** Items: what is written is read back; sequences that do not add up are refused, whatever octets they are. */
import {
  itemFind,
  itemFirst,
  itemLength,
  itemNext,
  itemsValid,
  itemType,
  itemU32,
  itemU64,
  itemValue,
  itemWrite,
  itemWriteU32,
  itemWriteU64,
} from "../../../assembly/rt/items";

const block: usize = memory.data(1024, 16);
const text: usize = memory.data<u8>([0x61, 0x62, 0x63, 0x64, 0x65]);

function writeThree(): usize {
  let end = itemWriteU32(block, 7, 0x01020304);
  end = itemWrite(end, 8, text, 5);
  return itemWriteU64(end, 9, 0x1122334455667788);
}

describe("items", () => {
  test("what was written is found in order", () => {
    memory.fill(block, 0xff, 1024);
    const end = writeThree();
    expect(<u32>(end - block)).toBe(8 + 12 + 12);
    expect(itemsValid(block, end)).toBe(true);
    const first = itemFirst(block, end);
    const second = itemNext(first, end);
    const third = itemNext(second, end);
    expect(itemType(first) == 7 && itemType(second) == 8 && itemType(third) == 9).toBe(true);
    expect(itemU32(first)).toBe(0x01020304);
    expect(itemU64(first)).toBe(0x01020304);
    expect(itemLength(second)).toBe(5);
    expect(memory.compare(itemValue(second), text, 5)).toBe(0);
    expect(load<u8>(itemValue(second) + 5) | load<u8>(itemValue(second) + 7)).toBe(0);
    expect(itemU64(third)).toBe(0x1122334455667788);
    expect(itemNext(third, end)).toBe(0);
  });

  test("itemFind finds the first of its type or nothing", () => {
    const end = itemWriteU32(writeThree(), 8, 99);
    expect(itemFind(block, end, 8)).toBe(block + 8);
    expect(itemFind(block, end, 10)).toBe(0);
    expect(itemFind(block, block, 7)).toBe(0);
  });

  test("a value that is too short counts as 0", () => {
    const end = itemWrite(block, 1, text, 3);
    expect(itemsValid(block, end)).toBe(true);
    expect(itemU32(block)).toBe(0);
    expect(itemU64(block)).toBe(0);
  });

  test("every cut of a sequence but the ones between items is refused", () => {
    const end = writeThree();
    let accepted = 0;
    for (let cut = block; cut < end; cut++) if (itemsValid(block, cut)) accepted += 1;
    expect(accepted).toBe(3); // empty, after the first, after the second
  });

  test("any octets are walked inside their range", () => {
    let state: u32 = 12345;
    let outside = 0;
    for (let round = 0; round < 2000; round++) {
      for (let i: u32 = 0; i < 64; i += 4) {
        state = state * 1664525 + 1013904223;
        store<u32>(block + i, state & 0x000f00ff);
      }
      const end = block + ((state >> 16) & 63);
      if (!itemsValid(block, end)) continue;
      let item = itemFirst(block, end);
      while (item != 0) {
        if (item < block || itemValue(item) + itemLength(item) > end) outside += 1;
        item = itemNext(item, end);
      }
    }
    expect(outside).toBe(0);
  });
});
