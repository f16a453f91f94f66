/** AAL5 and the ATM cell, against the numbers of I.363.5 and I.432.1; the FCS of Ethernet. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  AAL5_TRAILER,
  aal5Crc,
  CELL_OCTETS,
  CELL_PAYLOAD,
  cpcsOctets,
  cpcsOpen,
  cpcsSeal,
  CPCS_BAD_CRC,
  CPCS_BAD_LENGTH,
  hec,
  Reassembler,
  segment,
} from "../../host/chassis/aal5.ts";
import { fcs, fcsByTable } from "../../host/chassis/ethernet.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + 3) & 255);

/** The PDU for a payload, in a buffer of its own. */
function pduOf(payload: Uint8Array): Uint8Array {
  const pdu = new Uint8Array(cpcsOctets(payload.length));
  pdu.set(payload);
  assert.is(cpcsSeal(pdu, 0, payload.length), pdu.length);
  return pdu;
}

test("known CPCS-PDUs", () => {
  const known: [Uint8Array, string][] = [
    [new Uint8Array(40), "864d7f99"],
    [new Uint8Array(40).fill(255), "c55e457a"],
    [Uint8Array.from({ length: 40 }, (_, i) => i + 1), "bf671ed0"],
  ];
  for (const [payload, crc] of known) assert.is(hex(pduOf(payload)), `${hex(payload)}00000028${crc}`);
  assert.is(aal5Crc(new TextEncoder().encode("123456789"), 0, 9), 0xfc891918);
});

test("the CRC is that of bit by bit division, at every length and offset", () => {
  const slow = (octets: Uint8Array): number => {
    let crc = 0xffffffff;
    for (const octet of octets) {
      crc ^= octet << 24;
      for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
    }
    return ~crc >>> 0;
  };
  const octets = counting(80);
  for (let start = 0; start < 9; start++) {
    for (let end = start; end <= octets.length; end++) {
      assert.is(aal5Crc(octets, start, end), slow(octets.subarray(start, end)), `${start}..${end}`);
    }
  }
});

test("every payload length opens to itself, and costs the fewest cells", () => {
  for (let length = 1; length <= 200; length++) {
    const payload = counting(length);
    const pdu = pduOf(payload);
    assert.is(pdu.length % CELL_PAYLOAD, 0);
    assert.ok(pdu.length >= length + AAL5_TRAILER && pdu.length < length + AAL5_TRAILER + CELL_PAYLOAD);
    assert.is(cpcsOpen(pdu, 0, pdu.length), length);
    assert.equal(pdu.subarray(0, length), payload);
  }
  assert.is(cpcsOctets(1508) * (53 / 48), 1696, "a 1500-octet packet in LLC/SNAP takes 32 cells");
});

test("each single flipped bit is found", () => {
  const pdu = pduOf(counting(61));
  for (let bit = 0; bit < pdu.length * 8; bit++) {
    pdu[bit >>> 3]! ^= 1 << (bit & 7);
    assert.is(cpcsOpen(pdu, 0, pdu.length), CPCS_BAD_CRC);
    pdu[bit >>> 3]! ^= 1 << (bit & 7);
  }
  assert.is(cpcsOpen(pdu, 0, pdu.length), 61);
});

test("a length that disagrees with the PDU is found although the CRC is right", () => {
  for (const length of [0, 20, 41, 65535]) {
    const pdu = pduOf(counting(40));
    pdu[42] = (length >>> 8) & 255;
    pdu[43] = length & 255;
    const crc = aal5Crc(pdu, 0, 44);
    new DataView(pdu.buffer).setUint32(44, crc);
    const fits = length > 0 && length <= 40 && cpcsOctets(length) === 48;
    assert.is(cpcsOpen(pdu, 0, 48), fits ? length : CPCS_BAD_LENGTH, `length ${length}`);
  }
  const pdu = pduOf(counting(40));
  assert.is(cpcsOpen(pdu, 0, 47), CPCS_BAD_LENGTH);
  assert.is(cpcsOpen(pdu, 0, 0), CPCS_BAD_LENGTH);
});

test("header error control", () => {
  const known: [string, number][] = [
    ["00000001", 0x52],
    ["00000000", 0x55],
    ["00000009", 0x6a],
    ["00000050", 0xe2],
  ];
  for (const [header, value] of known) assert.is(hec(Buffer.from(header, "hex"), 0), value);
  assert.is(hec(new TextEncoder().encode("1234"), 0) ^ 0x55, slowHec(new TextEncoder().encode("1234")));
});

/** Division by x^8 + x^2 + x + 1, on the number as a whole. */
function slowHec(header: Uint8Array): number {
  let rest = 0n;
  for (const octet of header) rest = (rest << 8n) | BigInt(octet);
  rest <<= 8n;
  for (let bit = 39n; bit >= 8n; bit--) if ((rest >> bit) & 1n) rest ^= 0x107n << (bit - 8n);
  return Number(rest);
}

test("cells of two VCs, interleaved, are put together again", () => {
  const first = pduOf(counting(300));
  const second = pduOf(counting(90).reverse());
  const [a, b] = [segment(first, 0, 33), segment(second, 5, 4095)];
  const mixed: Uint8Array[] = [];
  for (let i = 0; i * CELL_OCTETS < Math.max(a.length, b.length); i++) {
    mixed.push(a.subarray(i * CELL_OCTETS, (i + 1) * CELL_OCTETS), b.subarray(i * CELL_OCTETS, (i + 1) * CELL_OCTETS));
  }
  const done = new Reassembler().push(Buffer.concat(mixed));
  assert.equal(
    done.map(({ vpi, vci, pdu }) => [vpi, vci, hex(pdu)]),
    [
      [5, 4095, hex(second)],
      [0, 33, hex(first)],
    ],
  );
});

test("lost cells and damaged headers never make a PDU that opens", () => {
  const random = new SeededRandom(7);
  const reassembler = new Reassembler(4096);
  let opened = 0;
  for (let i = 0; i < 300; i++) {
    const cells = segment(pduOf(counting(100 + i)), 0, 40);
    const damaged = cells.slice();
    const cell = random.below(cells.length / CELL_OCTETS) * CELL_OCTETS;
    damaged[cell + random.below(4)]! ^= 1 << random.below(8);
    for (const { pdu } of reassembler.push(damaged)) if (cpcsOpen(pdu, 0, pdu.length) >= 0) opened += 1;
    // A whole PDU behind it ends whatever the damage left open.
    reassembler.push(cells);
  }
  assert.is(reassembler.badHec, 300);
  assert.is(opened, 0);
});

test("a PDU beyond the limit is dropped and counted", () => {
  const reassembler = new Reassembler(96);
  assert.is(reassembler.push(segment(pduOf(counting(120)), 0, 40)).length, 0);
  assert.is(reassembler.tooLong, 1);
  assert.is(reassembler.push(segment(pduOf(counting(80)), 0, 40)).length, 1);
});

test("Ethernet FCS: check value, and table and engine agree", () => {
  assert.is(fcsByTable(new TextEncoder().encode("123456789"), 0, 9), 0xcbf43926);
  const octets = counting(300);
  for (let end = 0; end <= 300; end += 7)
    assert.is(fcs(octets, 3, Math.max(3, end)), fcsByTable(octets, 3, Math.max(3, end)));
});

test.run();
