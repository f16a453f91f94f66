/** Populate from packet: which selectors a packet asks for, where they stand, and when they do not. */
import { SELECTOR_OCTETS } from "../../../assembly/abi/message";
import { ChildSa, childSelectors } from "../../../assembly/ike/child_sa";
import {
  PACKET_ASKS,
  PACKET_LEFT_OUT,
  PACKET_NONE,
  firstHeld,
  packetAsks,
  packetCovered,
  packetFirst,
  packetGranted,
  packetOf,
  packetTake,
} from "../../../assembly/ike/packet_ts";
import { FLOW_OCTETS, Flow, PORT_NONE, flowKind } from "../../../assembly/policy/flow";
import { loadBE32, storeBE32 } from "../../../assembly/rt/bytes";

const child = changetype<ChildSa>(memory.data(8192, 16));
const flow = changetype<Flow>(memory.data(FLOW_OCTETS, 8));

function take(protocol: u32, source: u32, sourcePort: u32, destination: u32, destinationPort: u32): void {
  flow.kind = flowKind(4, protocol);
  flow.sourceHigh = (<u64>source) << 32;
  flow.sourceLow = 0;
  flow.destinationHigh = (<u64>destination) << 32;
  flow.destinationLow = 0;
  flow.sourcePort = sourcePort;
  flow.destinationPort = destinationPort;
  packetTake(flow);
}

function network(at: usize, start: u32, end: u32, protocol: u32 = 0): void {
  memory.fill(at, 0, SELECTOR_OCTETS);
  store<u8>(at, 4);
  store<u8>(at + 1, <u8>protocol);
  store<u16>(at + 4, 65535);
  storeBE32(at + 8, start);
  storeBE32(at + 24, end);
}

/** `locals` networks 10.1.x.0/24 and `remotes` 10.2.x.0/24. */
function configured(locals: u32, remotes: u32): void {
  child.localCount = locals;
  child.remoteCount = remotes;
  for (let i: u32 = 0; i < locals + remotes; i++) {
    const net = i < locals ? 0x0a010000 | (i << 8) : 0x0a020000 | ((i - locals) << 8);
    network(childSelectors(child) + i * SELECTOR_OCTETS, net, net | 0xff);
  }
}

function at(i: u32): usize {
  return childSelectors(child) + <usize>i * SELECTOR_OCTETS;
}

describe("populate from packet", () => {
  beforeEach(() => {
    memory.fill(changetype<usize>(child), 0, 8192);
  });

  it("puts the packet's own selectors first, and the configured ones behind them, again and again", () => {
    take(6, 0x0a010105, 40000, 0x0a020007, 443);
    packetAsks(child);
    expect(child.packet).toBe(PACKET_ASKS);
    // A second attempt builds its request anew.
    for (let turn = 0; turn < 2; turn++) {
      expect(packetOf(child)).toBe(true);
      configured(2, 1);
      packetFirst(child);
      expect(child.localCount).toBe(3);
      expect(child.remoteCount).toBe(2);
      expect(load<u8>(at(0), 1)).toBe(6);
      expect(loadBE32(at(0) + 8)).toBe(0x0a010105);
      expect(loadBE32(at(0) + 24)).toBe(0x0a010105);
      expect(load<u16>(at(0), 2)).toBe(40000);
      expect(load<u16>(at(0), 4)).toBe(40000);
      expect(loadBE32(at(1) + 8)).toBe(0x0a010000);
      expect(loadBE32(at(2) + 8)).toBe(0x0a010100);
      expect(loadBE32(at(3) + 8)).toBe(0x0a020007);
      expect(load<u16>(at(3), 2)).toBe(443);
      expect(load<u16>(at(3), 4)).toBe(443);
      expect(loadBE32(at(4) + 8)).toBe(0x0a020000);
      take(17, 1, 2, 3, 4);
    }
  });

  it("a packet without ports asks for all of them", () => {
    take(47, 0x0a010005, PORT_NONE, 0x0a020007, PORT_NONE);
    packetAsks(child);
    expect(load<u16>(at(0), 2)).toBe(0);
    expect(load<u16>(at(0), 4)).toBe(65535);
  });

  it("asks for nothing that is not configured, and for no more than there is room", () => {
    take(6, 0x0a030005, 40000, 0x0a020007, 443);
    packetAsks(child);
    packetOf(child);
    configured(1, 1);
    packetFirst(child);
    expect(child.packet).toBe(PACKET_NONE);
    expect(child.localCount).toBe(1);
    take(6, 0x0a010005, 40000, 0x0a020007, 443);
    packetAsks(child);
    packetOf(child);
    configured(16, 1);
    packetFirst(child);
    expect(child.packet).toBe(PACKET_NONE);
    expect(child.localCount).toBe(16);
  });

  it("knows whether the peer has granted the packet", () => {
    take(6, 0x0a010005, 40000, 0x0a020007, 443);
    packetAsks(child);
    packetOf(child);
    configured(1, 1);
    expect(packetCovered(child)).toBe(true);
    packetGranted(child);
    expect(child.packet).toBe(PACKET_NONE);
    packetAsks(child);
    packetOf(child);
    configured(1, 1);
    network(at(1), 0x0a020080, 0x0a0200ff);
    packetGranted(child);
    expect(child.packet).toBe(PACKET_LEFT_OUT);
    expect(packetOf(child)).toBe(false);
  });

  it("the first selector asked for lies in one that is granted, or in none", () => {
    network(at(0), 0x0a020000, 0x0a0200ff);
    network(at(1), 0x0a030000, 0x0a0300ff);
    network(at(2), 0x0a030007, 0x0a030007, 6);
    expect(firstHeld(at(0), 2, at(2))).toBe(true);
    expect(firstHeld(at(0), 1, at(2))).toBe(false);
  });
});
