import { Suite, proposalSelect, proposalsWrite } from "../../../assembly/ike/proposal";
import { messageBegin, messageEnd } from "../../../assembly/wire/ike_message";

const ours: usize = memory.data(64, 8);
const theirs: usize = memory.data(64, 8);
const buffer: usize = memory.data(512, 8);
const suite: usize = memory.data(64, 8);

function put(at: usize, i: u32, number: u32, type: u32, id: u32, bits: u32): void {
  const t = at + <usize>(i * 8);
  store<u64>(t, 0);
  store<u8>(t, <u8>type);
  store<u8>(t, <u8>number, 1);
  store<u16>(t, <u16>id, 2);
  store<u16>(t, <u16>bits, 4);
}

/** Offers `theirs` in an SA payload; returns the body's octets. */
function offered(count: u32, protocol: u32): u32 {
  const w = messageBegin(buffer, 512, 1, 0, 34, 8, 0);
  proposalsWrite(w, theirs, count, protocol, buffer + 500, protocol == 1 ? 0 : 4, true);
  return messageEnd(w) - 32;
}

function select(count: u32, length: u32, protocol: u32): bool {
  const spi: u32 = protocol == 1 ? 0 : 4;
  return proposalSelect(ours, count, buffer + 32, length, protocol, spi, true, changetype<Suite>(suite));
}

describe("proposals", () => {
  it("are chosen in our order of preference", () => {
    put(ours, 0, 1, 1, 20, 256);
    put(ours, 1, 1, 2, 6, 0);
    put(ours, 2, 1, 4, 31, 0);
    put(ours, 3, 1, 4, 19, 0);
    put(theirs, 0, 1, 1, 20, 128);
    put(theirs, 1, 1, 1, 20, 256);
    put(theirs, 2, 1, 2, 5, 0);
    put(theirs, 3, 1, 2, 6, 0);
    put(theirs, 4, 1, 4, 19, 0);
    put(theirs, 5, 1, 4, 31, 0);
    expect(select(4, offered(6, 1), 1)).toBe(true);
    const s = changetype<Suite>(suite);
    expect(s.keyBits).toBe(256);
    expect(s.prf).toBe(6);
    expect(s.ke).toBe(31);
  });

  it("refuse another key length, ESN unasked, and a key exchange that we do not want", () => {
    put(ours, 0, 1, 1, 20, 128);
    put(theirs, 0, 1, 1, 20, 256);
    expect(select(1, offered(1, 3), 3)).toBe(false);
    put(theirs, 0, 1, 1, 20, 128);
    expect(select(1, offered(1, 3), 3)).toBe(true);
    put(theirs, 1, 1, 5, 1, 0);
    expect(select(1, offered(2, 3), 3)).toBe(false);
    put(theirs, 1, 1, 4, 31, 0);
    expect(select(1, offered(2, 3), 3)).toBe(false);
  });
});
