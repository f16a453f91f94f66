import { Suite, proposalIsAnswer, proposalSelect, proposalsHold, proposalsWrite } from "../../../assembly/ike/proposal";
import { messageBegin, messageEnd } from "../../../assembly/wire/ike_message";
import { PROPOSAL_NUMBER, saCheck } from "../../../assembly/wire/ike_payload/sa";

const ours: usize = memory.data(128, 8);
const theirs: usize = memory.data(128, 8);
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

  it("go on to the next pair of cipher and integrity when one has no kernel", () => {
    // AES-CTR or 3DES with MD5 or SHA-1.
    for (let k = 0; k < 2; k++) {
      const at = k == 0 ? ours : theirs;
      put(at, 0, 1, 1, 3, 0);
      put(at, 1, 1, 1, 13, 256);
      put(at, 2, 1, 3, 1, 0);
      put(at, 3, 1, 3, 2, 0);
      put(at, 4, 1, 5, 0, 0);
    }
    const s = changetype<Suite>(suite);
    expect(select(5, offered(5, 3), 3)).toBe(true);
    expect(s.encryption == 13 && s.keyBits == 256 && s.integrity == 2).toBe(true);
    // Without SHA-1 nothing is left.
    put(theirs, 3, 1, 5, 0, 0);
    expect(select(5, offered(4, 3), 3)).toBe(false);
  });

  it("take AES with its Key Length alone, and ChaCha20 and NULL without one alone", () => {
    const s = changetype<Suite>(suite);
    put(ours, 0, 1, 1, 12, 256);
    put(ours, 1, 1, 1, 28, 0);
    put(ours, 2, 1, 1, 11, 0);
    put(ours, 3, 1, 3, 12, 0);
    put(theirs, 1, 1, 3, 12, 0);
    put(theirs, 0, 1, 1, 12, 0);
    expect(select(4, offered(2, 3), 3)).toBe(false);
    put(theirs, 0, 1, 1, 12, 192);
    expect(select(4, offered(2, 3), 3)).toBe(false);
    put(theirs, 0, 1, 1, 12, 256);
    expect(select(4, offered(2, 3), 3)).toBe(true);
    put(theirs, 0, 1, 1, 11, 128);
    expect(select(4, offered(2, 3), 3)).toBe(false);
    put(theirs, 0, 1, 1, 11, 0);
    expect(select(4, offered(2, 3), 3)).toBe(true);
    expect(s.encryption == 11 && s.integrity == 12).toBe(true);
    put(ours, 0, 1, 1, 28, 0);
    put(theirs, 0, 1, 1, 28, 256);
    expect(select(1, offered(1, 3), 3)).toBe(false);
    put(theirs, 0, 1, 1, 28, 0);
    expect(select(1, offered(1, 3), 3)).toBe(true);
  });

  it("take a combined mode with integrity left out or NONE, on either side, and never with an integrity transform", () => {
    const s = changetype<Suite>(suite);
    put(ours, 0, 1, 1, 20, 128);
    put(theirs, 0, 1, 1, 20, 128);
    put(theirs, 1, 1, 3, 0, 0);
    expect(select(1, offered(2, 3), 3)).toBe(true);
    expect(s.integrity).toBe(0);
    put(ours, 1, 1, 3, 0, 0);
    expect(select(2, offered(2, 3), 3)).toBe(true);
    expect(select(2, offered(1, 3), 3)).toBe(true);
    put(theirs, 1, 1, 3, 12, 0);
    expect(select(1, offered(2, 3), 3)).toBe(false);
    expect(select(2, offered(2, 3), 3)).toBe(false);
    // Both name it: still no kernel.
    put(ours, 1, 1, 3, 12, 0);
    expect(select(2, offered(2, 3), 3)).toBe(false);
    // A classic cipher without integrity is refused, said or left out.
    put(ours, 0, 1, 1, 12, 128);
    put(theirs, 0, 1, 1, 12, 128);
    put(theirs, 1, 1, 3, 0, 0);
    expect(select(1, offered(2, 3), 3)).toBe(false);
    expect(select(1, offered(1, 3), 3)).toBe(false);
  });

  it("keep combined modes and classic ciphers in proposals of their own, chosen by our order", () => {
    const s = changetype<Suite>(suite);
    put(ours, 0, 1, 1, 12, 128);
    put(ours, 1, 1, 3, 14, 0);
    put(ours, 2, 2, 1, 20, 256);
    put(theirs, 0, 1, 1, 20, 256);
    put(theirs, 1, 2, 1, 12, 128);
    put(theirs, 2, 2, 3, 14, 0);
    expect(select(3, offered(3, 3), 3)).toBe(true);
    expect(s.encryption == 12 && s.integrity == 14 && s.number == 2).toBe(true);
    // The peer has the combined mode alone.
    expect(select(3, offered(1, 3), 3)).toBe(true);
    expect(s.encryption == 20 && s.integrity == 0 && s.number == 1).toBe(true);
  });

  it("never agree on NULL or AES-GMAC for IKE, nor on a PRF that is not done", () => {
    const s = changetype<Suite>(suite);
    for (let k = 0; k < 2; k++) {
      const at = k == 0 ? ours : theirs;
      put(at, 0, 1, 1, 11, 0);
      put(at, 1, 1, 1, 12, 128);
      put(at, 2, 1, 3, 12, 0);
      put(at, 3, 1, 2, 1, 0); // PRF_HMAC_MD5
      put(at, 4, 1, 2, 4, 0);
      put(at, 5, 1, 4, 14, 0);
    }
    expect(select(6, offered(6, 1), 1)).toBe(true);
    expect(s.encryption == 12 && s.integrity == 12 && s.prf == 4 && s.ke == 14).toBe(true);
    put(theirs, 1, 1, 1, 11, 0);
    expect(select(6, offered(6, 1), 1)).toBe(false);
    put(ours, 0, 1, 1, 21, 128);
    put(ours, 1, 1, 2, 5, 0);
    put(ours, 2, 1, 4, 31, 0);
    for (let i = 0; i < 3; i++) store<u64>(theirs + i * 8, load<u64>(ours + i * 8));
    expect(select(3, offered(3, 1), 1)).toBe(false);
    put(ours, 0, 1, 1, 21, 128);
    put(theirs, 0, 1, 1, 21, 128);
    expect(select(1, offered(1, 3), 3)).toBe(true);
  });

  it("keep the PRF when an IKE_SA is rekeyed, in the offer and in the choice, where both still have it", () => {
    const s = changetype<Suite>(suite);
    put(ours, 0, 1, 1, 20, 128);
    put(ours, 1, 1, 2, 5, 0);
    put(ours, 2, 1, 2, 7, 0);
    put(ours, 3, 1, 4, 31, 0);
    put(ours, 4, 2, 1, 20, 256);
    put(ours, 5, 2, 2, 6, 0);
    put(ours, 6, 2, 4, 31, 0);
    memory.copy(theirs, ours, 56);
    for (let prf: u32 = 5; prf <= 7; prf++) {
      // Of all their PRFs we take the old one, though we like another better.
      expect(proposalSelect(ours, 7, buffer + 32, offered(7, 1), 1, 0, true, s, prf)).toBe(true);
      expect(s.prf).toBe(prf);
      // We offer the old one alone.
      const w = messageBegin(buffer, 512, 1, 0, 34, 8, 0);
      proposalsWrite(w, ours, 7, 1, buffer + 500, 0, true, prf);
      const length = messageEnd(w) - 32;
      expect(saCheck(buffer + 32, length)).toBe(true);
      expect(proposalIsAnswer(buffer + 32, length)).toBe(true);
      // The second of ours, too, is the first of the offer (RFC 7296 3.3.1).
      expect(load<u8>(buffer + 32, PROPOSAL_NUMBER)).toBe(1);
      expect(select(7, length, 1)).toBe(true);
      expect(s.prf).toBe(prf);
      expect(s.keyBits).toBe(prf == 6 ? 256 : 128);
    }
    // One that is no longer configured is given up.
    expect(proposalSelect(ours, 7, buffer + 32, offered(7, 1), 1, 0, true, s, 2)).toBe(true);
    expect(s.prf).toBe(5);
    const w = messageBegin(buffer, 512, 1, 0, 34, 8, 0);
    proposalsWrite(w, ours, 7, 1, buffer + 500, 0, true, 2);
    const length = messageEnd(w) - 32;
    expect(saCheck(buffer + 32, length) && !proposalIsAnswer(buffer + 32, length)).toBe(true);
  });

  it("hold a suite that others agreed on, or do not: within one proposal", () => {
    put(ours, 0, 1, 1, 20, 256);
    put(ours, 1, 1, 2, 6, 0);
    put(ours, 2, 1, 4, 20, 0);
    put(ours, 3, 2, 1, 12, 128);
    put(ours, 4, 2, 3, 12, 0);
    put(ours, 5, 2, 2, 5, 0);
    put(ours, 6, 2, 4, 31, 0);
    memory.fill(suite, 0, 64);
    const s = changetype<Suite>(suite);
    s.encryption = 12;
    s.keyBits = 128;
    s.integrity = 12;
    s.prf = 5;
    s.ke = 31;
    expect(proposalsHold(ours, 7, s)).toBe(true);
    s.ke = 20;
    expect(proposalsHold(ours, 7, s)).toBe(false);
    s.ke = 31;
    s.integrity = 0;
    expect(proposalsHold(ours, 7, s)).toBe(false);
    s.encryption = 20;
    s.keyBits = 256;
    s.prf = 6;
    s.ke = 20;
    expect(proposalsHold(ours, 7, s)).toBe(true);
    s.keyBits = 128;
    expect(proposalsHold(ours, 7, s)).toBe(false);
  });
});
