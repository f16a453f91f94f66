/** The selector table against its slow twin, a list that is searched from end to end, over random insertions and removals. */
import { SELECTOR_OCTETS } from "../../../assembly/abi/message";
import { FLOW_OCTETS, Flow, PORT_NONE, flowKind } from "../../../assembly/policy/flow";
import { ORDER_BYPASS, ORDER_DISCARD, ORDER_SA, ORDER_TRAP, priorityOf } from "../../../assembly/policy/priority";
import { selectorValid, selectorsAdmit } from "../../../assembly/policy/selector";
import {
  SELECTOR_TABLE_ASIDE,
  SELECTOR_TABLE_NONE,
  selectorTableExchange,
  selectorTableFree,
  selectorTableInsert,
  selectorTableLookup,
  selectorTableLookupFlow,
  selectorTableLookupInbound,
  selectorTableLookupPacket,
  selectorTableRemove,
  selectorTableReset,
  selectorTableRow,
  selectorTableRows,
  rowPriority,
} from "../../../assembly/policy/selector_table";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE16, storeBE32, storeBE64 } from "../../../assembly/rt/bytes";
import { ipv4Emit } from "../../../assembly/wire/ipv4";
import { ipv6Emit } from "../../../assembly/wire/ipv6";

const block: usize = memory.data(4000000, 64);
const local: usize = memory.data(SELECTOR_OCTETS * 4, 8);
const remote: usize = memory.data(SELECTOR_OCTETS * 4, 8);
const flowAt: usize = memory.data(FLOW_OCTETS, 8);
const packet: usize = memory.data(96, 8);
const near: usize = memory.data(16, 8);
const far: usize = memory.data(16, 8);
const aside: usize = memory.data(64, 8);

function write(at: usize, start: u32, end: u32, protocol: u32 = 0, startPort: u32 = 0, endPort: u32 = 65535): void {
  memory.fill(at, 0, SELECTOR_OCTETS);
  store<u8>(at, 4);
  store<u8>(at + 1, <u8>protocol);
  store<u16>(at + 2, <u16>startPort);
  store<u16>(at + 4, <u16>endPort);
  storeBE32(at + 8, start);
  storeBE32(at + 24, end);
}

function flow(source: u32, destination: u32, protocol: u32, sourcePort: u32, destinationPort: u32): Flow {
  const f = changetype<Flow>(flowAt);
  f.sourceHigh = (<u64>source) << 32;
  f.sourceLow = 0;
  f.destinationHigh = (<u64>destination) << 32;
  f.destinationLow = 0;
  f.kind = flowKind(4, protocol);
  f.sourcePort = sourcePort;
  f.destinationPort = destinationPort;
  return f;
}

function find(source: u32, destination: u32, protocol: u32 = 17, sourcePort: u32 = 1, destinationPort: u32 = 2): u32 {
  return selectorTableLookupFlow(flow(source, destination, protocol, sourcePort, destinationPort));
}

function reset(pairs: u32): void {
  arenaResetAt(block, block + 4000000);
  expect(selectorTableReset(pairs)).toBe(true);
}

let seed: u32 = 77;
function random(below: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return <u32>((<u64>seed * <u64>below) >> 32);
}

/** The slow twin's rows. */
class Twin {
  constructor(
    public value: u32,
    public serial: u32,
    public localStart: u32,
    public localEnd: u32,
    public remoteStart: u32,
    public remoteEnd: u32,
    public protocol: u32,
    public startPort: u32,
    public endPort: u32,
    public order: u32,
    public priority: u32,
  ) {}
}

/** How many leading ones of \`bits\` bits are the same. */
function same(start: u32, end: u32, bits: i32): u32 {
  let n: u32 = 0;
  for (let bit = bits - 1; bit >= 0 && start >> bit == end >> bit; bit--) n++;
  return n;
}

/** Priority, and a trap behind an SA of the same. */
function rank(t: Twin): u32 {
  const addresses = same(t.localStart, t.localEnd, 32) + same(t.remoteStart, t.remoteEnd, 32);
  const ports = t.startPort > t.endPort ? 16 : same(t.startPort, t.endPort, 16);
  const priority = t.priority != 0 ? t.priority : priorityOf(t.order, addresses, t.protocol != 0, ports);
  return priority * 2 + (t.order == ORDER_TRAP ? 1 : 0);
}

function slow(rows: Twin[], source: u32, destination: u32, protocol: u32, destinationPort: u32): u32 {
  let best = -1;
  for (let i = 0; i < rows.length; i++) {
    const t = rows[i];
    if (source < t.localStart || source > t.localEnd || destination < t.remoteStart || destination > t.remoteEnd)
      continue;
    if (t.protocol != 0 && t.protocol != protocol) continue;
    const any = t.startPort == 0 && t.endPort == 65535;
    if (t.startPort > t.endPort) {
      if (destinationPort != PORT_NONE) continue;
    } else if (!any && (destinationPort == PORT_NONE || destinationPort < t.startPort || destinationPort > t.endPort))
      continue;
    if (best >= 0) {
      const a = rank(rows[best]);
      const b = rank(t);
      if (a < b || (a == b && rows[best].serial > t.serial)) continue;
    }
    best = i;
  }
  return best < 0 ? SELECTOR_TABLE_NONE : rows[best].value;
}

describe("selector table", () => {
  it("finds the most specific, then the newest", () => {
    reset(64);
    write(local, 0x0a010000, 0x0a01ffff);
    write(remote, 0x0a020000, 0x0a02ffff);
    expect(selectorTableInsert(local, 1, remote, 1, 1)).toBe(true);
    expect(find(0x0a010001, 0x0a020001)).toBe(1);
    expect(find(0x0a010001, 0x0a030001)).toBe(SELECTOR_TABLE_NONE);
    selectorTableInsert(local, 1, remote, 1, 2);
    expect(find(0x0a010001, 0x0a020001)).toBe(2, "newest");
    write(remote, 0x0a020001, 0x0a020001);
    selectorTableInsert(local, 1, remote, 1, 3);
    expect(find(0x0a010001, 0x0a020001)).toBe(3, "a host before a network");
    expect(find(0x0a010001, 0x0a020002)).toBe(2);
    expect(selectorTableRemove(3)).toBe(1);
    expect(selectorTableRemove(2)).toBe(1);
    expect(selectorTableRemove(2)).toBe(0);
    expect(find(0x0a010001, 0x0a020001)).toBe(1, "the old one is there again");
    expect(selectorTableFree()).toBe(63);
  });

  it("without configured priorities BYPASS comes before PROTECT and DISCARD last, as with strongSwan", () => {
    // The numbers of strongSwan for 10.1.0.0/16 and 10.2.0.0/16: pass, an SA, its trap, drop.
    expect(priorityOf(ORDER_BYPASS, 32, false, 0)).toBe(183_615);
    expect(priorityOf(ORDER_SA, 32, false, 0)).toBe(383_615);
    expect(priorityOf(ORDER_TRAP, 32, false, 0)).toBe(383_616);
    expect(priorityOf(ORDER_DISCARD, 32, false, 0)).toBe(583_615);
    expect(priorityOf(ORDER_SA, 64, true, 32)).toBe(400_000 - 64 * 512 - 256 - 128 - 1);
    reset(16);
    write(local, 0x0a010000, 0x0a01ffff);
    write(remote, 0x0a020000, 0x0a02ffff);
    selectorTableInsert(local, 1, remote, 1, 1, ORDER_SA);
    selectorTableInsert(local, 1, remote, 1, 2, ORDER_TRAP);
    expect(find(0x0a010001, 0x0a020001)).toBe(1, "an SA before the trap that asks for it, whichever is newer");
    write(remote, 0x0a020001, 0x0a020001);
    selectorTableInsert(local, 1, remote, 1, 3, ORDER_DISCARD);
    expect(find(0x0a010001, 0x0a020001)).toBe(1, "a DISCARD without priority is for what nothing else covers");
    write(remote, 0x0a000000, 0x0affffff);
    selectorTableInsert(local, 1, remote, 1, 4, ORDER_BYPASS);
    expect(find(0x0a010001, 0x0a020001)).toBe(4, "a BYPASS without priority before all PROTECT");
    write(remote, 0, 0xffffffff);
    selectorTableInsert(local, 1, remote, 1, 5, ORDER_DISCARD, 10);
    selectorTableInsert(local, 1, remote, 1, 6, ORDER_SA, 9);
    expect(find(0x0a010001, 0x0a020001)).toBe(6, "a configured priority decides alone");
    selectorTableInsert(local, 1, remote, 1, 7, ORDER_TRAP, 9);
    expect(find(0x0a010001, 0x0a020001)).toBe(6, "of one priority the SA comes before the trap");
    selectorTableRemove(6);
    expect(find(0x0a010001, 0x0a020001)).toBe(7);
  });

  it("serves the other direction by the same row, and tells what is in it", () => {
    reset(4);
    write(local, 0x0a010000, 0x0a01ffff, 17, 500, 600);
    write(remote, 0x0a020000, 0x0a02fffe, 17, 53, 53);
    selectorTableInsert(local, 1, remote, 1, 9, ORDER_BYPASS, 77);
    ipv4Emit(packet, 28, 17, 0x0a020005, 0x0a010005, 64, 0, false, 0);
    storeBE16(packet + 20, 53);
    storeBE16(packet + 22, 555);
    expect(selectorTableLookupInbound(packet, 28)).toBe(9);
    expect(selectorTableLookupPacket(packet, 28)).toBe(SELECTOR_TABLE_NONE);
    storeBE16(packet + 22, 601);
    expect(selectorTableLookupInbound(packet, 28)).toBe(SELECTOR_TABLE_NONE);
    let used = 0;
    const a = local + SELECTOR_OCTETS;
    const b = remote + SELECTOR_OCTETS;
    for (let i: u32 = 0; i < selectorTableRows(); i++) if (selectorTableRow(i, a, b) == 9) used += 1;
    expect(used).toBe(1);
    expect(selectorTableRow(0, a, b)).toBe(9);
    expect(rowPriority).toBe(77);
    expect(memory.compare(a, local, SELECTOR_OCTETS)).toBe(0);
    expect(memory.compare(b, remote, SELECTOR_OCTETS)).toBe(0);
    selectorTableRemove(9);
    expect(selectorTableRow(0, a, b)).toBe(SELECTOR_TABLE_NONE);
  });

  it("combinations of prefix lengths beyond those that are hashed are found all the same", () => {
    reset(2048);
    for (let l: u32 = 1; l <= 32; l++) {
      for (let r: u32 = 1; r <= 32; r++) {
        // One bit above each prefix tells it from the others: 0...01 and as many lengths of both.
        write(local, 1 << (32 - l), (1 << (32 - l)) | ((1 << (32 - l)) - 1));
        write(remote, 1 << (32 - r), (1 << (32 - r)) | ((1 << (32 - r)) - 1));
        expect(selectorTableInsert(local, 1, remote, 1, (l << 8) | r)).toBe(true);
      }
    }
    let wrong = 0;
    for (let l: u32 = 1; l <= 32; l++) {
      for (let r: u32 = 1; r <= 32; r++) if (find(1 << (32 - l), 1 << (32 - r)) != ((l << 8) | r)) wrong += 1;
    }
    expect(wrong).toBe(0);
    for (let l: u32 = 1; l <= 32; l++)
      for (let r: u32 = 1; r <= 32; r++) wrong += 1 - selectorTableRemove((l << 8) | r);
    expect(wrong).toBe(0);
    expect(selectorTableFree()).toBe(2048);
  });

  it("reads addresses and packets alike", () => {
    reset(64);
    write(local, 0x0a010000, 0x0a01ffff);
    write(remote, 0x0a020000, 0x0a02ffff, 17, 53, 53);
    selectorTableInsert(local, 1, remote, 1, 9);
    ipv4Emit(packet, 28, 17, 0x0a010005, 0x0a020005, 64, 0, false, 0);
    storeBE16(packet + 20, 1234);
    storeBE16(packet + 22, 53);
    expect(selectorTableLookupPacket(packet, 28)).toBe(9);
    expect(selectorTableLookup(packet + 12, packet + 16, 17, 1234, 53)).toBe(9);
    expect(selectorTableLookup(packet + 12, packet + 16, 6, 1234, 53)).toBe(SELECTOR_TABLE_NONE);
    storeBE16(packet + 22, 54);
    expect(selectorTableLookupPacket(packet, 28)).toBe(SELECTOR_TABLE_NONE);
    storeBE16(packet + 22, 53);
    storeBE16(packet + 6, 5);
    expect(selectorTableLookupPacket(packet, 28)).toBe(SELECTOR_TABLE_NONE, "a later fragment shows no port");
  });

  it("pairs several selectors, all or none of them", () => {
    reset(6);
    write(local, 1, 5);
    write(local + SELECTOR_OCTETS, 8, 8);
    write(remote, 0x100, 0x1ff);
    write(remote + SELECTOR_OCTETS, 0x300, 0x3fe);
    expect(selectorTableInsert(local, 2, remote, 2, 4)).toBe(true);
    expect(selectorTableFree()).toBe(2);
    expect(find(3, 0x3fe)).toBe(4);
    expect(find(8, 0x180)).toBe(4);
    expect(find(6, 0x180)).toBe(SELECTOR_TABLE_NONE);
    expect(find(3, 0x3ff)).toBe(SELECTOR_TABLE_NONE);
    expect(selectorTableInsert(local, 2, remote, 2, 5)).toBe(false, "room for two of four");
    expect(selectorTableFree()).toBe(2);
    expect(selectorTableRemove(4)).toBe(4);
    expect(find(3, 0x3fe)).toBe(SELECTOR_TABLE_NONE);
    write(local, 5, 1);
    expect(selectorTableInsert(local, 1, remote, 1, 5)).toBe(false, "ends before it starts");
    write(local, 1, 5, 6);
    write(remote, 1, 5, 17);
    expect(selectorTableInsert(local, 1, remote, 1, 5)).toBe(false, "no packet is TCP and UDP");
  });

  it("opaque ports match only packets without ports", () => {
    write(local, 0, 0xffffffff, 0, 65535, 0);
    write(remote, 0, 0xffffffff);
    expect(selectorValid(local)).toBe(true);
    expect(selectorsAdmit(local, 1, remote, 1, flow(1, 2, 50, PORT_NONE, PORT_NONE))).toBe(true);
    expect(selectorsAdmit(local, 1, remote, 1, flow(1, 2, 17, 5, 5))).toBe(false);
    write(local, 0, 0xffffffff, 0, 9, 8);
    expect(selectorValid(local)).toBe(false);
    store<u8>(local, 5);
    expect(selectorValid(local)).toBe(false, "no such family");
  });

  it("agrees with the slow twin over 4000 random steps", () => {
    reset(512);
    const rows: Twin[] = [];
    let serial: u32 = 0;
    let wrong = 0;
    let hits = 0;
    for (let step = 0; step < 4000; step++) {
      const action = random(10);
      if (action == 0 && rows.length < 400) {
        // Small numbers, so that ranges overlap; prefixes and odd ranges.
        const value = random(64);
        const localLength = random(5);
        const localStart = random(32) & ~((1 << localLength) - 1);
        const localEnd = localStart + (1 << localLength) - 1 - (random(4) == 0 && localLength > 0 ? 1 : 0);
        const remoteLength = random(5);
        const remoteStart = random(32) & ~((1 << remoteLength) - 1);
        const remoteEnd = remoteStart + (1 << remoteLength) - 1;
        const protocol: u32 = random(2) ? 0 : 17;
        const ported = random(3) == 0;
        const opaque = random(12) == 0;
        const startPort: u32 = opaque ? 65535 : ported ? random(4) : 0;
        const endPort: u32 = opaque ? 0 : ported ? startPort + random(4) : 65535;
        const order = random(4);
        const priority: u32 = random(5) == 0 ? 1 + random(3) : 0;
        write(local, localStart, localEnd, protocol);
        write(remote, remoteStart, remoteEnd, protocol, startPort, endPort);
        serial += 1;
        const t = new Twin(
          value,
          serial,
          localStart,
          localEnd,
          remoteStart,
          remoteEnd,
          protocol,
          startPort,
          endPort,
          order,
          priority,
        );
        if (selectorTableInsert(local, 1, remote, 1, value, order, priority)) rows.push(t);
        else wrong += 1;
      } else if (action == 1 && random(3) == 0) {
        const value = random(64);
        let expected: u32 = 0;
        for (let i = rows.length - 1; i >= 0; i--) {
          if (rows[i].value == value) {
            rows.splice(i, 1);
            expected += 1;
          }
        }
        if (selectorTableRemove(value) != expected) wrong += 1;
      } else {
        const source = random(40);
        const destination = random(40);
        const protocol: u32 = random(2) ? 17 : 6;
        const port: u32 = random(4) == 0 ? PORT_NONE : random(8);
        const expected = slow(rows, source, destination, protocol, port);
        if (expected != SELECTOR_TABLE_NONE) hits += 1;
        if (find(source, destination, protocol, 1, port) != expected) wrong += 1;
        if (find(source, destination, protocol, 1, port) != expected) wrong += 1;
      }
    }
    expect(wrong).toBe(0);
    expect(hits).toBeGreaterThan(500);
    expect(selectorTableFree()).toBe(512 - rows.length);
  });

  it("knows IPv6 prefixes as well", () => {
    reset(16);
    memory.fill(local, 0, SELECTOR_OCTETS);
    store<u8>(local, 6);
    store<u16>(local + 4, 65535);
    memory.copy(remote, local, SELECTOR_OCTETS);
    storeBE32(local + 8, 0x20010db8);
    storeBE32(local + 24, 0x20010db8);
    memory.fill(local + 28, 0xff, 12);
    storeBE32(remote + 8, 0x20010db9);
    storeBE32(remote + 20, 5);
    storeBE32(remote + 24, 0x20010db9);
    storeBE32(remote + 36, 5);
    expect(selectorTableInsert(local, 1, remote, 1, 6)).toBe(true);
    const f = flow(0, 0, 17, 1, 2);
    f.kind = flowKind(6, 17);
    f.sourceHigh = 0x20010db8deadbeef;
    f.sourceLow = 0x12345;
    f.destinationHigh = 0x20010db900000000;
    f.destinationLow = 5;
    expect(selectorTableLookupFlow(f)).toBe(6);
    f.destinationLow = 6;
    expect(selectorTableLookupFlow(f)).toBe(SELECTOR_TABLE_NONE);
  });

  it("reads IPv6 packets behind their extension headers, and ICMP by type and code", () => {
    reset(16);
    memory.fill(local, 0, SELECTOR_OCTETS);
    store<u8>(local, 6);
    store<u8>(local + 1, 17);
    store<u16>(local + 4, 65535);
    storeBE32(local + 8, 0x20010db8);
    storeBE32(local + 24, 0x20010db8);
    memory.fill(local + 28, 0xff, 12);
    memory.copy(remote, local, SELECTOR_OCTETS);
    store<u16>(remote + 2, 53);
    store<u16>(remote + 4, 53);
    expect(selectorTableInsert(local, 1, remote, 1, 7)).toBe(true);
    // Destination unreachable (1), any code.
    store<u8>(local + 1, 58);
    store<u8>(remote + 1, 58);
    store<u16>(remote + 2, 0x100);
    store<u16>(remote + 4, 0x1ff);
    expect(selectorTableInsert(local, 1, remote, 1, 8)).toBe(true);
    storeBE64(near, 0x20010db800010002);
    storeBE64(near + 8, 0x99);
    storeBE64(far, 0x20010db800030004);
    ipv6Emit(packet, 24, 60, near, far, 64, 0, 0);
    storeBE64(packet + 40, 0x1100000000000000);
    storeBE32(packet + 48, (4000 << 16) | 53);
    expect(selectorTableLookupPacket(packet, 64)).toBe(7);
    storeBE32(packet + 48, (4000 << 16) | 54);
    expect(selectorTableLookupPacket(packet, 64)).toBe(SELECTOR_TABLE_NONE);
    store<u8>(packet + 40, 58);
    storeBE32(packet + 48, 0x01040000);
    expect(selectorTableLookupPacket(packet, 64)).toBe(8);
    storeBE32(packet + 48, 0x02000000);
    expect(selectorTableLookupPacket(packet, 64)).toBe(SELECTOR_TABLE_NONE);
    storeBE32(packet + 48, 0x01040000);
    store<u8>(packet + 41, 9);
    expect(selectorTableLookupPacket(packet, 64)).toBe(SELECTOR_TABLE_NONE, "cut off");
    // A later fragment shows no type.
    ipv6Emit(packet, 24, 44, near, far, 64, 0, 0);
    storeBE64(packet + 40, 0x3a00000800000000);
    expect(selectorTableLookupPacket(packet, 64)).toBe(SELECTOR_TABLE_NONE);
  });

  it("keeps two tables apart that are exchanged for each other", () => {
    reset(16);
    memory.fill(aside, 0, SELECTOR_TABLE_ASIDE);
    write(local, 0x0a010000, 0x0a01ffff);
    write(remote, 0x0a020000, 0x0a02ffff);
    expect(selectorTableInsert(local, 1, remote, 1, 3)).toBe(true);
    expect(find(0x0a010005, 0x0a020005)).toBe(3);
    selectorTableExchange(aside);
    expect(selectorTableReset(8)).toBe(true);
    expect(find(0x0a010005, 0x0a020005)).toBe(SELECTOR_TABLE_NONE, "the other one's, not even in a cache");
    expect(selectorTableInsert(local, 1, remote, 1, 4)).toBe(true);
    expect(selectorTableFree()).toBe(7);
    for (let i: u32 = 0; i < 3; i++) {
      selectorTableExchange(aside);
      expect(find(0x0a010005, 0x0a020005)).toBe(3);
      expect(selectorTableFree()).toBe(15);
      selectorTableExchange(aside);
      expect(find(0x0a010005, 0x0a020005)).toBe(4);
    }
    expect(selectorTableRemove(4)).toBe(1);
    expect(find(0x0a010005, 0x0a020005)).toBe(SELECTOR_TABLE_NONE);
    selectorTableExchange(aside);
    expect(find(0x0a010005, 0x0a020005)).toBe(3);
  });

  it("reads the type and code of ICMP", () => {
    reset(16);
    write(local, 0x0a010000, 0x0a01ffff, 1);
    write(remote, 0x0a020000, 0x0a02ffff, 1, 0x800, 0x8ff);
    expect(selectorTableInsert(local, 1, remote, 1, 3)).toBe(true);
    ipv4Emit(packet, 28, 1, 0x0a010005, 0x0a020005, 64, 0, false, 0);
    storeBE16(packet + 20, 0x800);
    expect(selectorTableLookupPacket(packet, 28)).toBe(3);
    storeBE16(packet + 20, 0x000);
    expect(selectorTableLookupPacket(packet, 28)).toBe(SELECTOR_TABLE_NONE);
  });
});
