/** What the chassis writes into CONFIG, and the names that it reads out of the contract. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DROP_COUNT } from "../../assembly/abi/drop.ts";
import { addressOctets, decodeItems, encodeItems } from "../../host/chassis/config.ts";
import {
  boardStateName,
  CHASSIS_DROP_NAMES,
  DROP_NAMES,
  TRACE_MASKS,
  traceName,
} from "../../host/chassis/vocabulary.ts";
import { FaultInjector } from "../../host/chassis/tap/fault_injector.ts";

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

test("items: type, length, value, padded to four; and back", () => {
  const items = [
    { type: 1, value: 2 },
    { type: 3, value: Uint8Array.of(1, 2, 3, 4, 5) },
    { type: 0xff00, value: new Uint8Array(0) },
  ];
  const octets = encodeItems(items);
  assert.is(hex(octets), "0100040002000000" + "030005000102030405000000" + "00ff0000");
  assert.equal(
    decodeItems(octets).map(({ type, value }) => [type, hex(value)]),
    [
      [1, "02000000"],
      [3, "0102030405"],
      [0xff00, ""],
    ],
  );
  for (const cut of [1, 3, 7, 13]) assert.throws(() => decodeItems(octets.subarray(0, cut)), /is cut off/);
  assert.throws(() => encodeItems([{ type: 1, value: new Uint8Array(65536) }]), /do not fit/);
});

test("addresses in network order", () => {
  const known: [string, string][] = [
    ["192.0.2.1", "c0000201"],
    ["::", "00".repeat(16)],
    ["::1", "00".repeat(15) + "01"],
    ["2001:db8::8:800:200c:417a", "20010db80000000000080800200c417a"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["fe80::", "fe80" + "00".repeat(14)],
    ["::ffff:192.0.2.128", "00".repeat(10) + "ffffc0000280"],
    ["64:ff9b::198.51.100.7", "0064ff9b" + "00".repeat(8) + "c6336407"],
  ];
  for (const [address, octets] of known) assert.is(hex(addressOctets(address)), octets, address);
  for (const wrong of ["", "192.0.2", "192.0.2.256", "fe80::1%eth0", "moon.example", "1::2::3"]) {
    assert.throws(() => addressOctets(wrong), /is not an IP address/, wrong);
  }
});

test("names are the identifiers of the contract", () => {
  assert.is(DROP_NAMES.length, DROP_COUNT);
  assert.not.ok(
    DROP_NAMES.some((name) => name.startsWith("reason_")),
    "no reason without a name",
  );
  assert.is(new Set(DROP_NAMES).size, DROP_COUNT);
  assert.is(DROP_NAMES[0], "no_sa_entry_ike_board");
  assert.is(DROP_NAMES[1], "no_sa_entry_ipsec_board");
  assert.is(new Set(CHASSIS_DROP_NAMES).size, CHASSIS_DROP_NAMES.length);
  assert.is(traceName(605), "S605");
  assert.is(traceName(3), "board_up");
  assert.is(traceName(17), "ike_received");
  assert.is(traceName(9999), "event_9999");
  assert.equal(Object.fromEntries(TRACE_MASKS), { establish: 1, packet: 2, ike: 4, board: 8 });
  assert.is(boardStateName(2), "online");
});

test("the fault injector does what it is told, as often as it is told, and repeats itself", () => {
  const run = (): { carried: number; lost: number; bits: number; late: number } => {
    const result = { carried: 0, lost: 0, bits: 0, late: 0 };
    let newest = -1;
    const injector = new FaultInjector(
      { seed: 2, lose: 0.1, duplicate: 0.1, flip: 0.5, reorder: 0.1 },
      (_from, _to, vc, wire, at, size) => {
        result.carried += 1;
        if (vc < newest) result.late += 1;
        newest = Math.max(newest, vc);
        for (let i = at; i < at + size; i++) for (let bits = wire[i]!; bits > 0; bits &= bits - 1) result.bits += 1;
      },
      () => (result.lost += 1),
    );
    for (let i = 0; i < 10_000; i++) injector.carry(0, 1, i, new Uint8Array(64), 10, 40);
    injector.flush();
    assert.not.ok(injector.flush());
    return result;
  };
  const { carried, lost, bits, late } = run();
  const about = (value: number, expected: number): void => {
    assert.ok(Math.abs(value - expected) < expected * 0.2, `${value} instead of about ${expected}`);
  };
  about(lost, 1000);
  // A frame that waits to be overtaken is not doubled.
  about(carried, 9000 + 9000 * 0.9 * 0.1);
  about(bits, carried * 0.5);
  about(late, 900);
  assert.equal(run(), { carried, lost, bits, late });
});

test.run();
