/** The replay window against its slow twin, a list of all numbers ever seen; extended numbers by RFC 4303 appendix A2.2. */
import { SA_FLAG_ESN } from "../../../assembly/abi/message";
import {
  REPLAY_BITMAP_OCTETS,
  replayAdvance,
  replayCheck,
  replayCommit,
  replayReset,
  replaySequence,
} from "../../../assembly/ipsec/replay";
import { SA_OCTETS, Sa } from "../../../assembly/ipsec/sa";

const record: usize = memory.data(SA_OCTETS, 64);
const bitmap: usize = memory.data(REPLAY_BITMAP_OCTETS + 8, 64);

function open(window: u32, edge: u64, flags: u32 = 0): Sa {
  memory.fill(record, 0, SA_OCTETS);
  store<u64>(bitmap + REPLAY_BITMAP_OCTETS, 0x0123456789abcdef);
  const sa = changetype<Sa>(record);
  sa.bitmap = bitmap;
  sa.flags = <u8>flags;
  replayReset(sa, window, edge);
  return sa;
}

let seed: u32 = 3;
function random(below: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return <u32>((<u64>seed * <u64>below) >> 32);
}

/** How often the window and its twin disagree over `steps` packets. */
function disagreements(window: u32, edge: u64, steps: u32): u32 {
  const sa = open(window, edge);
  const seen = new Set<u64>();
  let top = edge;
  let wrong: u32 = 0;
  for (let i: u32 = 0; i < steps; i++) {
    const jump = random(12);
    let sequence: u64;
    if (jump == 0) sequence = top + 1 + random(window * 2 + 2);
    else if (jump < 6) sequence = top + 1;
    else sequence = top - min<u64>(top, random(window + 4));
    const fresh =
      sequence > top || (sequence != 0 && sequence > edge && top - sequence < <u64>window && !seen.has(sequence));
    if (replayCheck(sa, sequence) != fresh) wrong += 1;
    if (replayCommit(sa, sequence) != fresh) wrong += 1;
    if (fresh) {
      seen.add(sequence);
      top = max<u64>(top, sequence);
      if (replayCheck(sa, sequence)) wrong += 1;
    }
    if (sa.sequence != top) wrong += 1;
  }
  return wrong;
}

describe("replay window", () => {
  it("agrees with its twin for windows from 1 to 4096", () => {
    expect(disagreements(1, 0, 300)).toBe(0);
    expect(disagreements(32, 0, 2000)).toBe(0);
    expect(disagreements(63, 0, 2000)).toBe(0);
    expect(disagreements(64, 0, 2000)).toBe(0);
    expect(disagreements(65, 0, 2000)).toBe(0);
    expect(disagreements(1000, 0, 4000)).toBe(0);
    expect(disagreements(4096, 0, 6000)).toBe(0);
    expect(load<u64>(bitmap + REPLAY_BITMAP_OCTETS)).toBe(0x0123456789abcdef, "stays in its bitmap");
  });

  it("takes nothing up to the edge that it starts with", () => {
    expect(disagreements(64, 1000, 500)).toBe(0);
    expect(disagreements(64, 0xffffffffff, 500)).toBe(0);
    const sa = open(128, 77);
    let accepted = 0;
    for (let s: u64 = 0; s <= 77; s++) if (replayCheck(sa, s)) accepted += 1;
    expect(accepted).toBe(0);
    expect(replayCheck(sa, 78)).toBe(true);
    replayAdvance(sa, 5000);
    expect(replayCheck(sa, 4990)).toBe(false);
    expect(replayCheck(sa, 5001)).toBe(true);
  });

  it("accepts everything with window 0", () => {
    const sa = open(0, 0);
    expect(replayCommit(sa, 5)).toBe(true);
    expect(replayCommit(sa, 5)).toBe(true);
    expect(replayCommit(sa, 1)).toBe(true);
    expect(sa.sequence).toBe(5);
  });

  it("finds the high half of an extended number", () => {
    const sa = open(64, 0x1_0000_0010, SA_FLAG_ESN);
    expect(replaySequence(sa, 0x11)).toBe(0x1_0000_0011);
    expect(replaySequence(sa, 0x0f)).toBe(0x1_0000_000f);
    expect(replaySequence(sa, 0xffff_fff0)).toBe(0xffff_fff0, "of the subspace before");
    expect(replaySequence(sa, 0x8000_0000)).toBe(0x1_8000_0000);
    const late = open(64, 0x1_ffff_fff0, SA_FLAG_ESN);
    expect(replaySequence(late, 3)).toBe(0x2_0000_0003, "of the subspace behind");
    expect(replaySequence(late, 0xffff_ffe0)).toBe(0x1_ffff_ffe0);
    const first = open(64, 5, SA_FLAG_ESN);
    expect(replaySequence(first, 0xffff_fff0)).toBe(0, "there is none before the first");
    expect(replayCheck(first, 0)).toBe(false);
    const plain = open(64, 0xffff_fff0);
    expect(replaySequence(plain, 3)).toBe(3, "no high half without ESN");
  });
});
