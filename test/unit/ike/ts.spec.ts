import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
} from "../../../assembly/abi/message";
import { loadBE32, storeBE32 } from "../../../assembly/rt/bytes";
import { tsNarrow, tsWithin } from "../../../assembly/ike/ts";

const own: usize = memory.data(160, 8);
const offer: usize = memory.data(160, 8);
const out: usize = memory.data(640, 8);

function put(at: usize, i: u32, start: u32, end: u32, protocol: u32): void {
  const s = at + <usize>i * SELECTOR_OCTETS;
  memory.fill(s, 0, SELECTOR_OCTETS);
  store<u8>(s, 4);
  store<u8>(s, <u8>protocol, SELECTOR_PROTOCOL);
  store<u16>(s, 65535, SELECTOR_END_PORT);
  storeBE32(s + SELECTOR_START, start);
  storeBE32(s + SELECTOR_END, end);
}

describe("traffic selectors", () => {
  it("narrow to what is common, without what another one contains", () => {
    put(own, 0, 0x0a010000, 0x0a01ffff, 0);
    put(own, 1, 0x0a030000, 0x0a03ffff, 0);
    put(offer, 0, 0x0a010007, 0x0a010007, 6);
    put(offer, 1, 0x0a000000, 0x0a0300ff, 0);
    expect(tsNarrow(own, 2, offer, 2, out, 16)).toBe(2);
    expect(loadBE32(out + SELECTOR_START)).toBe(0x0a010000);
    expect(loadBE32(out + SELECTOR_OCTETS + SELECTOR_END)).toBe(0x0a0300ff);
    expect(tsWithin(out, 2, own, 2)).toBe(true);
    expect(tsWithin(own, 2, out, 2)).toBe(false);
  });

  it("have nothing in common with strangers", () => {
    put(own, 0, 0x0a010000, 0x0a01ffff, 17);
    put(offer, 0, 0x0a010000, 0x0a01ffff, 6);
    put(offer, 1, 0x0a020000, 0x0a02ffff, 0);
    expect(tsNarrow(own, 1, offer, 2, out, 16)).toBe(0);
  });
});
