/** Lists of what changed: each entry once, in the order of the first change, and what the checkpoint has. */
import { changed, changesKept, changesNext, changesPending, changesTake } from "../../../assembly/checkpoint/changes";
import { arenaResetAt } from "../../../assembly/rt/arena";

const arena: usize = memory.data(4096, 64);
const CAPACITY: u32 = 40;

function fresh(): usize {
  arenaResetAt(arena, arena + 4096);
  const changes = changesTake(CAPACITY);
  assert(changes != 0, "room");
  return changes;
}

describe("changes", () => {
  it("come in the order of the first change, each once", () => {
    const changes = fresh();
    expect(changesNext(changes)).toBe(-1);
    changed(changes, 7);
    changed(changes, 0);
    changed(changes, CAPACITY - 1);
    changed(changes, 7);
    expect(changesPending(changes)).toBe(true);
    expect(changesNext(changes)).toBe(7);
    expect(changesNext(changes)).toBe(0);
    changed(changes, 7);
    changed(changes, 0);
    expect(changesNext(changes)).toBe(<i32>CAPACITY - 1);
    expect(changesNext(changes)).toBe(7);
    expect(changesNext(changes)).toBe(0);
    expect(changesNext(changes)).toBe(-1);
    expect(changesPending(changes)).toBe(false);
  });

  it("are all there when everything changes twice, whatever order", () => {
    const changes = fresh();
    for (let round: u32 = 0; round < 2; round++)
      for (let i: u32 = 0; i < CAPACITY; i++) changed(changes, (i * 17 + round) % CAPACITY);
    let seen: u64 = 0;
    let count: u32 = 0;
    for (let i = changesNext(changes); i >= 0; i = changesNext(changes)) {
      seen |= (<u64>1) << (<u64>i);
      count += 1;
    }
    expect(count).toBe(CAPACITY);
    expect(seen).toBe(((<u64>1) << CAPACITY) - 1);
  });

  it("without a list are nothing", () => {
    changed(0, 3);
    expect(changesNext(0)).toBe(-1);
    expect(changesPending(0)).toBe(false);
  });

  it("say what the checkpoint has", () => {
    const changes = fresh();
    expect(changesKept(changes, 5, true)).toBe(false);
    expect(changesKept(changes, 6, false)).toBe(false);
    expect(changesKept(changes, 5, false)).toBe(true);
    expect(changesKept(changes, 5, false)).toBe(false);
    expect(changesKept(changes, CAPACITY - 1, true)).toBe(false);
    expect(changesKept(changes, CAPACITY - 1, true)).toBe(true);
  });
});
