import { arenaResetAt } from "../../../assembly/rt/arena";
import { deadlineClear, deadlineNext, deadlineSet, deadlineTake, deadlinesReset } from "../../../assembly/rt/deadlines";

const ram: usize = memory.data(65536, 64);

describe("deadlines", () => {
  it("are taken in order of time, moved and cleared ones included", () => {
    arenaResetAt(ram, ram + 65536);
    deadlinesReset(500);
    let state: u32 = 7;
    for (let i: u32 = 0; i < 4000; i++) {
      state = state * 1103515245 + 12345;
      const id = (state >>> 8) % 500;
      if ((state & 0x70000000) == 0) deadlineClear(id);
      else deadlineSet(id, <u64>((state >>> 4) % 100000));
    }
    let last: u64 = 0;
    let ordered = true;
    let count = 0;
    while (deadlineNext() != u64.MAX_VALUE) {
      const next = deadlineNext();
      if (next < last || deadlineTake(next) < 0) ordered = false;
      last = next;
      count += 1;
    }
    expect(ordered).toBe(true);
    expect(count).toBeGreaterThan(300);
  });

  it("are not taken early", () => {
    arenaResetAt(ram, ram + 65536);
    deadlinesReset(4);
    deadlineSet(3, 100);
    expect(deadlineTake(99)).toBe(-1);
    expect(deadlineTake(100)).toBe(3);
  });
});
