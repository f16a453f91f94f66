/** An SA's drops by reason: told apart while there is room, never lost from the sum, and nothing but their own words is written. */
import { DROP_COUNT, DROP_ICV, DROP_REPLAY } from "../../../assembly/abi/drop";
import { STATUS_DROP_KINDS, STATUS_MESSAGE_OCTETS } from "../../../assembly/abi/message";
import { SA_DROP_KINDS, SA_OCTETS, Sa } from "../../../assembly/ipsec/sa";
import { saDropsCount, saDropsReset, saDropsWrite } from "../../../assembly/ipsec/sa_drops";

const record: usize = memory.data(SA_OCTETS + 8, 64);
const status: usize = memory.data(STATUS_MESSAGE_OCTETS, 64);

function begin(): Sa {
  memory.fill(record, 0xee, SA_OCTETS + 8);
  const sa = changetype<Sa>(record);
  saDropsReset(sa);
  return sa;
}

/** The count of a reason in the status message; -1 where it has none. */
function told(sa: Sa, reason: u32): i32 {
  saDropsWrite(status, sa);
  for (let i: u32 = 0; i < SA_DROP_KINDS; i++) {
    const word = load<u32>(status + STATUS_DROP_KINDS + (i << 2));
    if (word != 0 && (word & 0xff) == reason) return <i32>(word >> 8);
  }
  return -1;
}

describe("drops of an SA", () => {
  test("each reason has its count, whatever their order", () => {
    const sa = begin();
    for (let i: u32 = 0; i < 10; i++) saDropsCount(sa, i % 3 == 0 ? DROP_ICV : DROP_REPLAY);
    expect(told(sa, DROP_ICV)).toBe(4);
    expect(told(sa, DROP_REPLAY)).toBe(6);
    expect(sa.drops).toBe(10);
  });

  test("more reasons than there is room for are in the sum alone, and the last reason of all is one", () => {
    const sa = begin();
    for (let reason: u32 = DROP_COUNT - 1; reason > DROP_COUNT - 3 - SA_DROP_KINDS; reason--) saDropsCount(sa, reason);
    expect(sa.drops).toBe(<u64>SA_DROP_KINDS + 2);
    expect(told(sa, DROP_COUNT - 1)).toBe(1);
    expect(told(sa, DROP_COUNT - SA_DROP_KINDS)).toBe(1);
    expect(told(sa, DROP_COUNT - SA_DROP_KINDS - 1)).toBe(-1);
    expect(load<u64>(record + SA_OCTETS)).toBe(0xeeeeeeeeeeeeeeee);
    expect(sa.cold).toBe(0xeeeeeeee);
  });

  test("a count at its end stays there, and the sum goes on", () => {
    const sa = begin();
    saDropsCount(sa, DROP_ICV);
    store<u32>(record + offsetof<Sa>("kinds"), (0xffffff << 8) | DROP_ICV);
    saDropsCount(sa, DROP_ICV);
    expect(told(sa, DROP_ICV)).toBe(0xffffff);
    expect(told(sa, DROP_REPLAY)).toBe(-1);
    expect(sa.drops).toBe(2);
  });
});
