/** The check of an opened packet against its SA's selectors (RFC 4301 5.2), by packets: what they show, and what they do not. */
import { SELECTOR_OCTETS } from "../../../assembly/abi/message";
import { FLOW_OCTETS, Flow, PORT_NONE, flowRead, flowTurn } from "../../../assembly/policy/flow";
import { selectorsAdmit } from "../../../assembly/policy/selector";
import { storeBE16, storeBE32, storeBE64 } from "../../../assembly/rt/bytes";
import { ipv4Emit } from "../../../assembly/wire/ipv4";
import { ipv6Emit } from "../../../assembly/wire/ipv6";

const local: usize = memory.data(2 * SELECTOR_OCTETS, 8);
const remote: usize = memory.data(2 * SELECTOR_OCTETS, 8);
const packet: usize = memory.data(128, 8);
const near: usize = memory.data(16, 8);
const far: usize = memory.data(16, 8);
const flow = changetype<Flow>(memory.data(FLOW_OCTETS, 8));

/** Every address of a family, narrowed. */
function write(at: usize, family: u32, protocol: u32 = 0, startPort: u32 = 0, endPort: u32 = 65535): void {
  memory.fill(at, 0, SELECTOR_OCTETS);
  store<u8>(at, <u8>family);
  store<u8>(at + 1, <u8>protocol);
  store<u16>(at + 2, <u16>startPort);
  store<u16>(at + 4, <u16>endPort);
  memory.fill(at + 24, 0xff, family == 4 ? 4 : 16);
}

/** From 10.2.0.2 to 10.1.0.2, as it is opened. `word`: the first four octets behind the header. */
function opened4(protocol: u32, word: u32, fragment: u32 = 0): bool {
  memory.fill(packet, 0, 128);
  ipv4Emit(packet, 60, protocol, 0x0a020002, 0x0a010002, 64, 0, false, 7);
  storeBE16(packet + 6, fragment);
  storeBE32(packet + 20, word);
  assert(flowRead(packet, 60, flow));
  return selectorsAdmit(local, 1, remote, 1, flow);
}

/** The same over IPv6; with `fragment` not 0 behind a fragment header with these 16 bits of offset and flag. */
function opened6(protocol: u32, word: u32, fragment: i32 = -1): bool {
  memory.fill(packet, 0, 128);
  storeBE64(near, 0xfd00000200000000);
  storeBE64(far, 0xfd00000100000000);
  if (fragment < 0) {
    ipv6Emit(packet, 24, protocol, near, far, 64, 0, 0);
    storeBE32(packet + 40, word);
    assert(flowRead(packet, 64, flow));
  } else {
    ipv6Emit(packet, 32, 44, near, far, 64, 0, 0);
    store<u8>(packet + 40, <u8>protocol);
    storeBE16(packet + 42, <u32>fragment);
    storeBE32(packet + 48, word);
    assert(flowRead(packet, 72, flow));
  }
  return selectorsAdmit(local, 1, remote, 1, flow);
}

describe("selectors of an SA and the packets that it opens", () => {
  it("ranges of ports: both ends of both, and nothing beside; another protocol never", () => {
    write(local, 4, 17, 1000, 2000);
    write(remote, 4, 17, 53, 53);
    expect(opened4(17, (53 << 16) | 1000)).toBe(true);
    expect(opened4(17, (53 << 16) | 2000)).toBe(true);
    expect(opened4(17, (53 << 16) | 999)).toBe(false);
    expect(opened4(17, (53 << 16) | 2001)).toBe(false);
    expect(opened4(17, (54 << 16) | 1500)).toBe(false);
    expect(opened4(17, (1500 << 16) | 53)).toBe(false, "the wrong way about");
    expect(opened4(6, (53 << 16) | 1500)).toBe(false);
    expect(opened4(132, (53 << 16) | 1500)).toBe(false);
  });

  it("ICMP: a type of any code, a type and code, a range of types", () => {
    write(local, 4, 1, 0x0800, 0x08ff);
    write(remote, 4, 1, 0x0800, 0x08ff);
    expect(opened4(1, 0x08000000)).toBe(true);
    expect(opened4(1, 0x08ff0000)).toBe(true);
    expect(opened4(1, 0x00000000)).toBe(false, "the answer is another type");
    expect(opened4(1, 0x09000000)).toBe(false);
    write(local, 4, 1, 0x0301, 0x0301);
    write(remote, 4, 1);
    expect(opened4(1, 0x03010000)).toBe(true);
    expect(opened4(1, 0x03020000)).toBe(false, "another code");
    write(local, 6, 58, 0x8000, 0x81ff);
    write(remote, 6, 58, 0x8000, 0x81ff);
    expect(opened6(58, 0x80000000)).toBe(true);
    expect(opened6(58, 0x81000000)).toBe(true);
    expect(opened6(58, 0x82000000)).toBe(false);
    expect(opened6(1, 0x80000000)).toBe(false, "ICMP of the other version");
  });

  it("the mobility header: its type, whatever stands where ports do", () => {
    write(local, 6, 135, 0x0500, 0x05ff);
    write(remote, 6, 135, 0x0500, 0x05ff);
    // Payload protocol, length, type, reserved.
    expect(opened6(135, 0x3b010500)).toBe(true);
    expect(flow.sourcePort).toBe(0x0500);
    expect(opened6(135, 0x3b010600)).toBe(false);
    expect(opened6(135, 0x05000600)).toBe(false);
  });

  it("a later fragment shows no ports and no type: only selectors of all of them, or OPAQUE, take it", () => {
    for (let protocol: u32 = 1; protocol <= 17; protocol += 16) {
      write(local, 4, protocol, 0, 65534);
      write(remote, 4, protocol);
      expect(opened4(protocol, 0x00350035, 0x2000)).toBe(true, "the first one shows them");
      expect(flow.destinationPort).toBe(0x0035);
      expect(opened4(protocol, 0x00350035, 0x2001)).toBe(false);
      expect(opened4(protocol, 0x00350035, 0x0005)).toBe(false);
      expect(flow.destinationPort).toBe(PORT_NONE);
      write(local, 4, protocol);
      expect(opened4(protocol, 0x00350035, 0x0005)).toBe(true);
      write(local, 4, protocol, 65535, 0);
      expect(opened4(protocol, 0x00350035, 0x0005)).toBe(true, "OPAQUE");
      expect(opened4(protocol, 0x00350035, 0x2000)).toBe(false);
    }
  });

  it("the same of IPv6, behind a fragment header", () => {
    write(local, 6, 17, 53, 53);
    write(remote, 6);
    expect(opened6(17, 0x00350035, 1)).toBe(true);
    expect(opened6(17, 0x00350035, 0x0009)).toBe(false);
    write(local, 6, 17);
    expect(opened6(17, 0x00350035, 0x0009)).toBe(true);
    write(local, 6, 17, 65535, 0);
    expect(opened6(17, 0x00350035, 0x0009)).toBe(true, "OPAQUE");
    expect(opened6(17, 0x00350035, 1)).toBe(false);
    write(local, 6, 58, 0x8000, 0x80ff);
    expect(opened6(58, 0x80000000, 0x0009)).toBe(false);
  });

  it("protocols without ports: OPAQUE and all of them, but no range", () => {
    write(remote, 4);
    write(local, 4, 47);
    expect(opened4(47, 0x00350035)).toBe(true);
    write(local, 4, 47, 65535, 0);
    expect(opened4(47, 0x00350035)).toBe(true);
    write(local, 4, 47, 53, 53);
    expect(opened4(47, 0x00350035)).toBe(false);
    expect(opened4(50, 0x00350035)).toBe(false);
  });

  it("of several selectors one at each end has to hold, of the packet's family", () => {
    write(local, 6);
    write(local + SELECTOR_OCTETS, 4, 17, 53, 53);
    write(remote, 4, 6);
    write(remote + SELECTOR_OCTETS, 4, 17);
    opened4(17, 0x00070035);
    expect(selectorsAdmit(local, 2, remote, 2, flow)).toBe(true);
    expect(selectorsAdmit(local, 1, remote, 2, flow)).toBe(false);
    expect(selectorsAdmit(local, 2, remote, 1, flow)).toBe(false);
    flowTurn(flow);
    expect(selectorsAdmit(local, 2, remote, 2, flow)).toBe(false, "port 53 is at the other end now");
  });
});
