/** AAL5 and the ATM cell, against the numbers of I.363.5 and I.432.1; the FCS of Ethernet. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  AAL5_TRAILER,
  aal5Crc,
  CELL_BAD_HEC,
  CELL_MORE,
  CELL_OCTETS,
  CELL_OTHER_VC,
  CELL_PAYLOAD,
  cpcsOctets,
  cpcsOpen,
  cpcsSeal,
  CPCS_BAD_CRC,
  CPCS_BAD_LENGTH,
  CPCS_TOO_LONG,
  hec,
  Reassembler,
  segment,
  vcOf,
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

/** The cells of a PDU, each for itself. */
function cellsOf(pdu: Uint8Array, vc: number): Uint8Array[] {
  const octets = new Uint8Array((pdu.length / CELL_PAYLOAD) * CELL_OCTETS);
  assert.is(segment(pdu, 0, pdu.length, vc, octets, 0), octets.length);
  return Array.from({ length: octets.length / CELL_OCTETS }, (_, i) =>
    octets.slice(i * CELL_OCTETS, (i + 1) * CELL_OCTETS),
  );
}

/** What a reassembly makes of cells, but for CELL_MORE. */
function verdicts(reassembler: Reassembler, cells: readonly Uint8Array[], vc: number): number[] {
  return cells.map((cell) => reassembler.push(cell, 0, vc)).filter((verdict) => verdict !== CELL_MORE);
}

const VC = (5 << 16) | 4095;

test("a cell's header as I.361 has it: VPI 5, VCI 4095, PTI 0 and 1", () => {
  const [first, last] = cellsOf(pduOf(counting(90)), VC) as [Uint8Array, Uint8Array, Uint8Array];
  assert.is(hex(first.subarray(0, 4)), "0050fff0");
  assert.is(first[4], hec(first, 0));
  assert.is(hex(last.subarray(0, 4)), "0050fff0");
  const end = cellsOf(pduOf(counting(40)), VC)[0]!;
  assert.is(hex(end.subarray(0, 4)), "0050fff2");
  assert.is(vcOf(end, 0), VC);
  assert.throws(() => segment(new Uint8Array(47), 0, 47, VC, new Uint8Array(53), 0), /multiple of 48/);
});

test("every payload length crosses as cells and is the same behind them", () => {
  const reassembler = new Reassembler(cpcsOctets(300));
  for (let length = 1; length <= 300; length++) {
    const payload = counting(length);
    assert.equal(verdicts(reassembler, cellsOf(pduOf(payload), VC), VC), [length]);
    assert.equal(reassembler.octets.subarray(0, length), payload);
  }
});

test("each single flipped bit of a cell is found: by HEC in the header, by the CRC or LENGTH behind it", () => {
  const cells = cellsOf(pduOf(counting(90)), VC);
  cells.forEach((cell, index) => {
    for (let bit = 0; bit < CELL_OCTETS * 8; bit++) {
      const reassembler = new Reassembler(480);
      cell[bit >>> 3]! ^= 1 << (bit & 7);
      const found = verdicts(reassembler, cells, VC);
      cell[bit >>> 3]! ^= 1 << (bit & 7);
      if (bit < 40) {
        // Without its last cell a PDU has no end yet.
        const last = index === cells.length - 1;
        assert.equal(found, last ? [CELL_BAD_HEC] : [CELL_BAD_HEC, CPCS_BAD_LENGTH], `cell ${index}, bit ${bit}`);
      } else {
        assert.is(found.length, 1);
        assert.ok(found[0] === CPCS_BAD_CRC || found[0] === CPCS_BAD_LENGTH, `cell ${index}, bit ${bit}`);
        const inLength = index === cells.length - 1 && bit >= (CELL_OCTETS - 6) * 8 && bit < (CELL_OCTETS - 4) * 8;
        if (!inLength) assert.is(found[0], CPCS_BAD_CRC);
      }
    }
  });
});

test("lost, doubled and swapped cells: LENGTH tells of the number, the CRC of the order; the next PDU is whole again", () => {
  const lengths = [100, 300, 1508];
  for (const length of lengths) {
    const cells = cellsOf(pduOf(counting(length)), VC);
    const last = cells.length - 1;
    for (let i = 0; i <= last; i++) {
      const lost = new Reassembler(9600);
      const rest = cells.filter((_, at) => at !== i);
      // A lost last cell joins two PDUs.
      assert.equal(verdicts(lost, rest, VC), i === last ? [] : [CPCS_BAD_LENGTH], `lost ${i}`);
      if (i === last) assert.equal(verdicts(lost, cells, VC), [CPCS_BAD_LENGTH]);
      assert.equal(verdicts(lost, cells, VC), [length]);

      const doubled = new Reassembler(9600);
      const more = cells.flatMap((cell, at) => (at === i ? [cell, cell] : [cell]));
      // A last cell that comes twice is a PDU of its own behind a whole one.
      assert.equal(verdicts(doubled, more, VC), i === last ? [length, CPCS_BAD_LENGTH] : [CPCS_BAD_LENGTH]);
      assert.equal(verdicts(doubled, cells, VC), [length]);

      if (i >= last - 1) continue;
      const swapped = new Reassembler(9600);
      const other = [...cells];
      [other[i], other[i + 1]] = [other[i + 1]!, other[i]!];
      assert.equal(verdicts(swapped, other, VC), [CPCS_BAD_CRC], `swapped ${i}`);
      assert.equal(verdicts(swapped, cells, VC), [length]);
    }
  }
});

test("a cell that names another VC than the one it came on goes into no PDU", () => {
  const reassembler = new Reassembler(480);
  const cells = cellsOf(pduOf(counting(90)), VC);
  const stray = cellsOf(pduOf(counting(90)), VC + 1)[0]!;
  assert.equal(verdicts(reassembler, [cells[0]!, stray, ...cells.slice(1)], VC), [CELL_OTHER_VC, 90]);
});

test("any mixture of damage: never is a PDU taken for whole that was not sent", () => {
  const random = new SeededRandom(7);
  const reassembler = new Reassembler(4096);
  const sent = new Set<string>();
  let whole = 0;
  for (let i = 0; i < 2000; i++) {
    const payload = counting(1 + random.below(900));
    payload[0] = i & 255;
    sent.add(hex(payload));
    for (const cell of cellsOf(pduOf(payload), VC)) {
      const what = random.next();
      if (what < 0.02) continue;
      if (what < 0.04) cell[random.below(CELL_OCTETS)]! ^= 1 << random.below(8);
      for (let times = what > 0.98 ? 2 : 1; times > 0; times--) {
        const length = reassembler.push(cell, 0, VC);
        if (length <= 0) continue;
        whole += 1;
        assert.ok(sent.has(hex(reassembler.octets.subarray(0, length))), "what is put together was sent");
      }
    }
  }
  assert.ok(whole > 500 && whole < 1900, `${whole} of 2000 whole`);
});

test("a PDU beyond the buffer is given up at its end, and the buffer does not grow", () => {
  const reassembler = new Reassembler(96);
  assert.equal(verdicts(reassembler, cellsOf(pduOf(counting(120)), VC), VC), [CPCS_TOO_LONG]);
  assert.is(reassembler.octets.length, 96);
  assert.equal(verdicts(reassembler, cellsOf(pduOf(counting(80)), VC), VC), [80]);
});

test("Ethernet FCS: check value, and table and engine agree", () => {
  assert.is(fcsByTable(new TextEncoder().encode("123456789"), 0, 9), 0xcbf43926);
  const octets = counting(300);
  for (let end = 0; end <= 300; end += 7)
    assert.is(fcs(octets, 3, Math.max(3, end)), fcsByTable(octets, 3, Math.max(3, end)));
});

test.run();
