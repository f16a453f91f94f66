/**
 * Who may speak on the internal path: frames that the peer of a link did not make, put on the CHANNEL ports of the real boards as if a board
 * gone wild had got them past the backplane. Each is dropped for its reason, on every kind of link, and nothing comes of it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PORT_CHANNEL } from "../../assembly/abi/ring.ts";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import { Chassis } from "../../host/chassis/chassis.ts";
import type { Cage, CagePlan } from "../../host/chassis/drive/drive.ts";
import { Lockstep, type LockstepCage } from "../../host/chassis/drive/lockstep.ts";

class OpenLockstep extends Lockstep {
  opened: LockstepCage | undefined;
  override cage(plan: CagePlan): Cage {
    const cage = super.cage(plan);
    this.opened = cage as LockstepCage;
    return cage;
  }
}

const mac = (slot: number): number[] => [0x02, 0x43, 0x43, 0x00, 0x00, slot];
const address = (slot: number): number[] => [169, 254, 83, slot];
const INNER = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1];

/** An outer IPv4 header (RFC 2003) with its checksum, and the packet. */
function capsule(from: number, to: number, protocol = 4): number[] {
  const header = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol, 0, 0, ...address(from), ...address(to)];
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += (header[i]! << 8) | header[i + 1]!;
  sum = (sum & 0xffff) + (sum >>> 16);
  header[10] = (~sum >>> 8) & 255;
  header[11] = ~sum & 255;
  return [...header, ...INNER];
}

const ethernet = (to: number, from: number, type: number, payload: number[]): number[] => [
  ...mac(to),
  ...mac(from),
  type >>> 8,
  type & 255,
  ...payload,
];
const snap = (pid: number, oui = 0): number[] => [0xaa, 0xaa, 3, 0, 0, oui, pid >>> 8, pid & 255, ...INNER];

interface Stray {
  what: string;
  slot: number;
  frame: number[];
  vc?: number;
  reason: string;
}

const ETHERNET: Stray[] = [
  {
    what: "another IPsec board's MAC",
    slot: 1,
    frame: ethernet(1, 2, 0x0800, capsule(2, 1)),
    reason: "channel_source",
  },
  { what: "its own MAC", slot: 1, frame: ethernet(1, 1, 0x0800, capsule(1, 1)), reason: "channel_source" },
  {
    what: "a MAC outside the fabric",
    slot: 1,
    frame: ethernet(1, 99, 0x0800, capsule(0, 1)),
    reason: "channel_source",
  },
  {
    what: "an outer source that the MAC belies",
    slot: 1,
    frame: ethernet(1, 0, 0x0800, capsule(2, 1)),
    reason: "channel_source",
  },
  {
    what: "the same at the IKE board",
    slot: 0,
    frame: ethernet(0, 2, 0x0800, capsule(1, 0)),
    reason: "channel_source",
  },
  {
    what: "a capsule for another board",
    slot: 1,
    frame: ethernet(1, 0, 0x0800, capsule(0, 2)),
    reason: "channel_malformed",
  },
  {
    what: "a frame for another board",
    slot: 1,
    frame: ethernet(2, 0, 0x0800, capsule(0, 2)),
    reason: "channel_malformed",
  },
  { what: "no IP in IP", slot: 1, frame: ethernet(1, 0, 0x0800, capsule(0, 1, 17)), reason: "channel_malformed" },
  { what: "a packet without a capsule", slot: 1, frame: ethernet(1, 0, 0x0800, INNER), reason: "channel_malformed" },
  { what: "ARP", slot: 1, frame: ethernet(1, 0, 0x0806, capsule(0, 1)), reason: "ethertype_unknown" },
];
const ATM: Stray[] = [
  { what: "another IPsec board's VC", slot: 1, frame: snap(0x0800), vc: 34, reason: "channel_source" },
  { what: "a VC of nobody", slot: 1, frame: snap(0x0800), vc: 5, reason: "channel_source" },
  { what: "the IKE board's own slot as a VC", slot: 0, frame: snap(0x0800), vc: 32, reason: "channel_source" },
  { what: "a VC behind the last slot", slot: 0, frame: snap(0x0800), vc: 32 + 64, reason: "channel_source" },
  { what: "ARP", slot: 1, frame: snap(0x0806), vc: 33, reason: "llc_unknown_pid" },
  {
    what: "bridged Ethernet (OUI 00-80-C2 and the like)",
    slot: 1,
    frame: snap(0x0007, 0xc2),
    vc: 33,
    reason: "channel_malformed",
  },
  { what: "a PDU shorter than LLC/SNAP", slot: 1, frame: [0xaa, 0xaa, 3], vc: 33, reason: "channel_malformed" },
  { what: "IPv6 by its PID, IPv4 by its first octet", slot: 1, frame: snap(0x86dd), vc: 33, reason: "ip_version" },
];

for (const [link, strays] of [
  ["ethernet", ETHERNET],
  ["atm", ATM],
  ["atm-cell", ATM],
] as [LinkKind, Stray[]][]) {
  test(`${link}: what the peer did not make is dropped for its reason`, async () => {
    const drive = new OpenLockstep();
    const chassis = new Chassis({ drive, link, slots: 2, localAddresses: ["192.0.2.1"] });
    let left = 0;
    for (const side of ["protected", "unprotected"] as const) chassis.onTransmit(side, () => (left += 1));
    await chassis.powerOn();
    await chassis.run();
    for (const { what, slot, frame, vc, reason } of strays) {
      const dropsOf = (): Record<string, number> => ({ ...chassis.show().slots[slot]!.drops });
      const before = dropsOf();
      assert.ok(drive.opened!.deliver(slot, PORT_CHANNEL, Uint8Array.from(frame), false, vc));
      await chassis.run();
      assert.equal(dropsOf(), { ...before, [reason]: (before[reason] ?? 0) + 1 }, what);
    }
    assert.is(left, 0);
    assert.equal(chassis.faults, []);
    await drive.close();
  });
}

test.run();
