import {
  REG_CONFIG_LENGTH,
  REG_CONSUMED,
  REG_DROPPED,
  REG_HELD,
  REG_IN,
  REG_NOW,
  REG_ORIGINATED,
  REG_SENT,
  REG_SLOT,
} from "../../../assembly/abi/board";
import { MAP_DROPS } from "../../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND, CONFIG_LOCAL_ADDRESS } from "../../../assembly/abi/config";
import {
  DROP_AH_MALFORMED,
  DROP_BOARD_OFFLINE,
  DROP_ESP_MALFORMED,
  DROP_IP_MALFORMED,
  DROP_IP_NOT_FOR_US,
  DROP_IPV6_EXTENSION,
  DROP_NO_POLICY,
  DROP_NO_SA_ACQUIRING,
  DROP_NO_SA_ENTRY_IKE_BOARD,
  DROP_PACKET_TOO_BIG,
  DROP_POLICY_DISCARD,
  DROP_PROTECTION_MISSING,
  DROP_PROTOCOL_UNKNOWN,
  DROP_UDP_MALFORMED,
  DROP_UDP_PORT,
} from "../../../assembly/abi/drop";
import { LINK_ATM } from "../../../assembly/abi/fabric";
import { POLICY_BYPASS, POLICY_DISCARD, POLICY_TRAP } from "../../../assembly/abi/management";
import {
  LINK_BITS,
  SA_SELECTORS,
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_START,
} from "../../../assembly/abi/message";
import {
  DESCRIPTOR_ADDRESS,
  DESCRIPTOR_LINK,
  DESCRIPTOR_OCTETS,
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_ENTRY_OCTETS,
  PORT_PROTECTED,
  PORT_TX,
  PORT_UNPROTECTED,
  RING_DESCRIPTORS,
} from "../../../assembly/abi/ring";
import { MAP_PORT_TABLE } from "../../../assembly/abi/board";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { consume, originate, portsReset, portsSettle } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { boardOffline, boardOnline, boardsReset } from "../../../assembly/distribution/board_table";
import {
  DISTRIBUTION_ACQUIRE,
  DistributionEvent,
  eventsReset,
  pollDistributionEvent,
} from "../../../assembly/distribution/event";
import {
  FORWARD_DONE,
  FORWARD_IKE,
  forwardProtected,
  forwardUnprotected,
} from "../../../assembly/distribution/forward";
import { heldNext, heldReset, heldTimeout, heldWake } from "../../../assembly/distribution/held";
import { leasesReset } from "../../../assembly/distribution/lease";
import { historyReset } from "../../../assembly/distribution/passage";
import { controlKey } from "../../../assembly/channel/control";
import { localAddressReset } from "../../../assembly/policy/local_address";
import { LINK_LIVE, Link, linkAt, localDatabaseReset } from "../../../assembly/distribution/local_database";
import {
  BYPASS_POLICY,
  DISCARD_POLICY,
  childPolicyInsert,
  childPolicyRemove,
  policyHits,
  policyReset,
} from "../../../assembly/distribution/policy";
import {
  LISTING_END,
  LISTING_PAUSE,
  LISTING_ROW,
  listedPriority,
  listedValue,
  policyListBusy,
  policyListDone,
  policyListNext,
  policyListPoll,
  policyListReset,
  policyListStart,
  policyListTransaction,
} from "../../../assembly/distribution/policy_listing";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE16, storeBE32 } from "../../../assembly/rt/bytes";
import { itemWrite, itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";
import { Flow, flowKind } from "../../../assembly/policy/flow";
import { selectorTableInsert, selectorTableRemove } from "../../../assembly/policy/selector_table";
import { ipv4Emit } from "../../../assembly/wire/ipv4";
import { ipv6Emit } from "../../../assembly/wire/ipv6";
import { udpEmit, udpEmitChecksum6 } from "../../../assembly/wire/udp";

const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const scratch = memory.data(2 * SELECTOR_OCTETS + 8, 8);
const SPI: u32 = (0x77 << LINK_BITS) | 9;
const US: u32 = 0xc0000201;
const PEER: u32 = 0xc0000202;
/** The last octets of 2001:db8::1 as they stand. */
const US6: u64 = 0x0100000000000000;
const before: usize = memory.data(96, 8);
const us6: usize = memory.data(16, 8);
const peer6: usize = memory.data(16, 8);

const key = memory.data(32, 16);

function reset(): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, 1_000_000_000);
  const config = configAddress();
  let p = itemWriteU32(config, CONFIG_LINK_KIND, LINK_ATM);
  p = itemWriteU32(p, CONFIG_IKE_SLOT, 0);
  storeBE32(scratch, US);
  p = itemWrite(p, CONFIG_LOCAL_ADDRESS, scratch, 4);
  storeBE32(us6, 0x20010db8);
  store<u64>(us6, US6, 8);
  storeBE32(peer6, 0x20010db8);
  p = itemWrite(p, CONFIG_LOCAL_ADDRESS, us6, 16);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(p - config));
  dropsReset();
  assert(channelReset() && localAddressReset(config, p), "CONFIG");
  boardsReset();
  eventsReset();
  heldReset();
  assert(poolReset() && portsReset(PORT_COUNT_IKE) && localDatabaseReset(64) && policyReset(64), "RAM");
  assert(leasesReset(64, config, p) && historyReset(), "RAM");
  memory.fill(key, 0x5a, 32);
  controlKey(4, 1, key);
  boardOnline(4, 1, 10);
  const link = changetype<Link>(linkAt(9));
  link.spiIn = SPI;
  link.spiOut = 0xabcdef01;
  link.stateIn = LINK_LIVE;
  link.stateOut = LINK_LIVE;
  link.slot = 4;
  link.generation = 1;
  link.recordIn = <u16>SA_SELECTORS;
  link.recordOut = <u16>SA_SELECTORS;
}

/** An IPv6 packet to us with `octets` behind its header, zeroed. */
function packet6(nextHeader: u32, octets: u32): Frame {
  const frame = changetype<Frame>(originate());
  frame.length = 40 + octets;
  memory.fill(frame.start, 0, frame.length);
  ipv6Emit(frame.start, octets, nextHeader, peer6, us6, 64, 0, 0);
  return frame;
}

/** An IPv4 packet with `octets` behind its header, zeroed. */
function packet(protocol: u32, octets: u32, source: u32 = PEER, destination: u32 = US): Frame {
  const frame = changetype<Frame>(originate());
  frame.length = 20 + octets;
  memory.fill(frame.start, 0, frame.length);
  ipv4Emit(frame.start, frame.length, protocol, source, destination, 64, 0, false, 1);
  return frame;
}

function udp(port: u32, data: u32): Frame {
  const frame = packet(17, 8 + data);
  udpEmit(frame.start + 20, 4500, port, 8 + data);
  return frame;
}

function drops(reason: u32): u64 {
  return load<u64>(<usize>load<u32>(map + MAP_DROPS) + (reason << 3));
}

function sent(): u64 {
  return load<u64>(map + REG_SENT);
}

/** The descriptor first posted on the channel. */
function firstOnChannel(): usize {
  const table = <usize>load<u32>(map + MAP_PORT_TABLE);
  return <usize>load<u32>(table + PORT_CHANNEL * PORT_ENTRY_OCTETS + PORT_TX) + RING_DESCRIPTORS;
}

function selectors(): void {
  memory.fill(scratch, 0, 2 * SELECTOR_OCTETS);
  for (let i: u32 = 0; i < 2; i++) {
    const s = scratch + i * SELECTOR_OCTETS;
    store<u8>(s + SELECTOR_FAMILY, 4);
    store<u16>(s + SELECTOR_END_PORT, 65535);
    storeBE32(s + SELECTOR_START, 0x0a010000 + (i << 16));
    storeBE32(s + SELECTOR_END, 0x0a0100ff + (i << 16));
  }
}

function trap(child: u32): void {
  expect(childPolicyInsert(child, POLICY_TRAP, 0, scratch, 1, scratch + SELECTOR_OCTETS, 1)).toBe(true);
}

/** What goes out by a port next, from its head on. */
function posted(port: u32, nth: u32): usize {
  const table = <usize>load<u32>(map + MAP_PORT_TABLE);
  const ring = <usize>load<u32>(table + port * PORT_ENTRY_OCTETS + PORT_TX) + RING_DESCRIPTORS;
  return <usize>load<u32>(ring + nth * DESCRIPTOR_OCTETS + DESCRIPTOR_ADDRESS);
}

describe("forward, unprotected side (S601 to S606)", () => {
  beforeEach(reset);

  test("ESP with an entry goes to its board in an LLC/SNAP capsule on its VC", () => {
    const frame = packet(50, 64);
    storeBE32(frame.start + 20, SPI);
    expect(forwardUnprotected(frame)).toBe(FORWARD_DONE);
    expect(sent()).toBe(1);
    const d = firstOnChannel();
    expect(load<u32>(d + DESCRIPTOR_LINK)).toBe(32 + 4);
    const capsule = <usize>load<u32>(d + DESCRIPTOR_ADDRESS);
    expect(bswap(load<u32>(capsule))).toBe(0xaaaa0300);
    expect(bswap(load<u32>(capsule + 4))).toBe(0x00000800);
  });

  test("AH is looked up by its own SPI field", () => {
    const frame = packet(51, 32);
    storeBE32(frame.start + 24, SPI);
    forwardUnprotected(frame);
    expect(sent()).toBe(1);
  });

  test("UDP-encapsulated ESP, IKE behind the marker, a keepalive", () => {
    const esp = udp(4500, 64);
    storeBE32(esp.start + 28, SPI);
    expect(forwardUnprotected(esp)).toBe(FORWARD_DONE);
    expect(sent()).toBe(1);
    const ike = udp(4500, 64);
    expect(forwardUnprotected(ike)).toBe(FORWARD_IKE);
    consume(ike);
    const keepalive = udp(4500, 1);
    store<u8>(keepalive.start + 28, 0xff);
    expect(forwardUnprotected(keepalive)).toBe(FORWARD_DONE);
    expect(load<u64>(map + REG_CONSUMED)).toBe(2);
    const plain = udp(500, 28);
    expect(forwardUnprotected(plain)).toBe(FORWARD_IKE);
    consume(plain);
  });

  test("the highest number that was handed over is kept, however the packet is wrapped", () => {
    const link = changetype<Link>(linkAt(9));
    const esp = packet(50, 64);
    storeBE32(esp.start + 20, SPI);
    storeBE32(esp.start + 24, 100);
    forwardUnprotected(esp);
    expect(link.forwarded).toBe(100);
    const ah = packet(51, 32);
    storeBE32(ah.start + 24, SPI);
    storeBE32(ah.start + 28, 101);
    forwardUnprotected(ah);
    expect(link.forwarded).toBe(101);
    const wrapped = udp(4500, 64);
    storeBE32(wrapped.start + 28, SPI);
    storeBE32(wrapped.start + 32, 102);
    forwardUnprotected(wrapped);
    expect(link.forwarded).toBe(102);
    const six = packet6(60, 72);
    store<u64>(six.start + 40, 50);
    storeBE32(six.start + 48, SPI);
    storeBE32(six.start + 52, 0x8000_0003);
    forwardUnprotected(six);
    expect(link.forwarded).toBe(0x8000_0003, "not as a signed number");
    const late = packet(50, 64);
    storeBE32(late.start + 20, SPI);
    storeBE32(late.start + 24, 99);
    forwardUnprotected(late);
    expect(link.forwarded).toBe(0x8000_0003);
    expect(sent()).toBe(5);
    const miss = packet(50, 64);
    storeBE32(miss.start + 20, SPI ^ (1 << LINK_BITS));
    storeBE32(miss.start + 24, 0xffff_ffff);
    forwardUnprotected(miss);
    expect(link.forwarded).toBe(0x8000_0003, "another SPI");
  });

  test("every other packet is dropped for its reason", () => {
    const miss = packet(50, 64);
    storeBE32(miss.start + 20, SPI ^ (1 << LINK_BITS));
    forwardUnprotected(miss);
    expect(drops(DROP_NO_SA_ENTRY_IKE_BOARD)).toBe(1);
    forwardUnprotected(packet(50, 7));
    forwardUnprotected(packet(51, 11));
    expect(drops(DROP_ESP_MALFORMED)).toBe(1);
    expect(drops(DROP_AH_MALFORMED)).toBe(1);
    forwardUnprotected(packet(50, 64, PEER, US + 1));
    expect(drops(DROP_IP_NOT_FOR_US)).toBe(1);
    forwardUnprotected(packet(6, 64));
    expect(drops(DROP_PROTOCOL_UNKNOWN)).toBe(1);
    forwardUnprotected(udp(53, 20));
    expect(drops(DROP_UDP_PORT)).toBe(1);
    forwardUnprotected(udp(4500, 7));
    forwardUnprotected(packet(17, 7));
    expect(drops(DROP_UDP_MALFORMED)).toBe(2);
    const damaged = packet(50, 64);
    store<u8>(damaged.start + 8, 1);
    forwardUnprotected(damaged);
    const empty = packet(50, 64);
    empty.length = 0;
    forwardUnprotected(empty);
    expect(drops(DROP_IP_MALFORMED)).toBe(2);
    expect(load<u64>(map + REG_DROPPED)).toBe(10);
    expect(sent()).toBe(0);
  });

  test("IPv6: ESP, plain and in UDP, behind extension headers too, goes to its board; IKE to the core", () => {
    const plain = packet6(50, 64);
    storeBE32(plain.start + 40, SPI);
    expect(forwardUnprotected(plain)).toBe(FORWARD_DONE);
    const encapsulated = packet6(17, 80);
    udpEmit(encapsulated.start + 40, 4500, 4500, 80);
    storeBE32(encapsulated.start + 48, SPI);
    udpEmitChecksum6(encapsulated.start, encapsulated.start + 40);
    expect(forwardUnprotected(encapsulated)).toBe(FORWARD_DONE);
    const extended = packet6(60, 72);
    store<u64>(extended.start + 40, 50);
    storeBE32(extended.start + 48, SPI);
    expect(forwardUnprotected(extended)).toBe(FORWARD_DONE);
    expect(sent()).toBe(3);
    expect(load<u64>(map + REG_DROPPED)).toBe(0);
    const ike = packet6(17, 60);
    udpEmit(ike.start + 40, 500, 500, 60);
    udpEmitChecksum6(ike.start, ike.start + 40);
    expect(forwardUnprotected(ike)).toBe(FORWARD_IKE);
    consume(ike);
  });

  test("IPv6 that cannot be forwarded is dropped for its reason", () => {
    const noChecksum = packet6(17, 60);
    udpEmit(noChecksum.start + 40, 4500, 4500, 60);
    storeBE32(noChecksum.start + 48, SPI);
    forwardUnprotected(noChecksum);
    expect(drops(DROP_UDP_MALFORMED)).toBe(1, "RFC 8200 8.1");
    const elsewhere = packet6(50, 64);
    store<u8>(elsewhere.start + 39, 9);
    forwardUnprotected(elsewhere);
    expect(drops(DROP_IP_NOT_FOR_US)).toBe(1);
    const cut = packet6(60, 16);
    store<u16>(cut.start + 40, 50 | (2 << 8));
    forwardUnprotected(cut);
    expect(drops(DROP_IPV6_EXTENSION)).toBe(1);
    const long = packet6(50, 64);
    storeBE16(long.start + 4, 65);
    forwardUnprotected(long);
    expect(drops(DROP_IP_MALFORMED)).toBe(1);
    forwardUnprotected(packet6(50, 7));
    expect(drops(DROP_ESP_MALFORMED)).toBe(1);
    forwardUnprotected(packet6(6, 20));
    expect(drops(DROP_PROTOCOL_UNKNOWN)).toBe(1);
    forwardUnprotected(packet6(50, 64));
    expect(drops(DROP_NO_SA_ENTRY_IKE_BOARD)).toBe(1);
    expect(load<u64>(map + REG_DROPPED)).toBe(7);
    expect(sent()).toBe(0);
  });

  test("clear IPv6 packets are looked up when they are whole", () => {
    const six = packet(17, 60);
    memory.fill(six.start, 0, six.length);
    store<u8>(six.start, 0x60);
    storeBE16(six.start + 4, six.length - 40);
    store<u8>(six.start + 6, 59);
    forwardProtected(six);
    expect(drops(DROP_NO_POLICY)).toBe(1);
    const longer = packet(17, 60);
    memory.fill(longer.start, 0, longer.length);
    store<u8>(longer.start, 0x60);
    storeBE16(longer.start + 4, longer.length);
    forwardProtected(longer);
    expect(drops(DROP_IP_MALFORMED)).toBe(1);
    const cut = packet(17, 60);
    memory.fill(cut.start, 0, cut.length);
    store<u8>(cut.start, 0x60);
    storeBE16(cut.start + 4, cut.length - 40);
    store<u8>(cut.start + 41, 0xff);
    forwardProtected(cut);
    expect(drops(DROP_IPV6_EXTENSION)).toBe(1);
    expect(sent()).toBe(0);
  });

  test("a packet beyond the internal path is too big, its board is not offline", () => {
    const frame = packet(50, 9300);
    storeBE32(frame.start + 20, SPI);
    forwardUnprotected(frame);
    expect(drops(DROP_PACKET_TOO_BIG)).toBe(1);
    expect(drops(DROP_BOARD_OFFLINE)).toBe(0);
  });

  test("an entry whose board is gone", () => {
    boardOffline(4, 1);
    boardOnline(4, 2, 10);
    const frame = packet(50, 64);
    storeBE32(frame.start + 20, SPI);
    forwardUnprotected(frame);
    expect(drops(DROP_BOARD_OFFLINE)).toBe(0, "the new generation is taught");
    expect(sent()).toBe(3, "both SAs, and behind them the packet");
    expect(changetype<Link>(linkAt(9)).generation).toBe(2);
    boardOffline(4, 2);
    const next = packet(50, 64);
    storeBE32(next.start + 20, SPI);
    forwardUnprotected(next);
    expect(drops(DROP_BOARD_OFFLINE)).toBe(1, "no board is there");
  });

  afterEach(conserved);
});

describe("forward, protected side", () => {
  beforeEach(reset);

  test("what the selectors cover goes to the board, the rest has no policy", () => {
    selectors();
    selectorTableInsert(scratch, 1, scratch + SELECTOR_OCTETS, 1, 9);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(sent()).toBe(1);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a030002));
    forwardProtected(packet(1, 64, 0x0a020002, 0x0a010002));
    expect(drops(DROP_NO_POLICY)).toBe(2);
  });

  test("what an IPsec board would open, as a packet to us, does not come from this side, whatever selectors say", () => {
    selectors();
    const remote = scratch + SELECTOR_OCTETS;
    storeBE32(remote + SELECTOR_START, 0);
    storeBE32(remote + SELECTOR_END, 0xffff_ffff);
    selectorTableInsert(scratch, 1, remote, 1, 9);
    const inside: u32 = 0x0a010002;
    for (let protocol: u32 = 50; protocol <= 51; protocol++) {
      const sealed = packet(protocol, 64, inside);
      storeBE32(sealed.start + (protocol == 50 ? 20 : 24), SPI);
      forwardProtected(sealed);
    }
    const wrapped = packet(17, 72, inside);
    udpEmit(wrapped.start + 20, 4500, 4500, 72);
    storeBE32(wrapped.start + 28, SPI);
    forwardProtected(wrapped);
    expect(drops(DROP_IP_NOT_FOR_US)).toBe(3);
    expect(sent()).toBe(0);
    forwardProtected(packet(50, 64, inside, PEER));
    const query = packet(17, 72, inside);
    udpEmit(query.start + 20, 4500, 53, 72);
    forwardProtected(query);
    forwardProtected(packet(6, 72, inside));
    expect(sent()).toBe(3, "anything else is a clear packet");
  });

  test("BYPASS leaves as it came, DISCARD ends here; by priority, and counted", () => {
    selectors();
    const remote = scratch + SELECTOR_OCTETS;
    expect(childPolicyInsert(1, POLICY_DISCARD, 0, scratch, 1, remote, 1)).toBe(true);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(drops(DROP_POLICY_DISCARD)).toBe(1);
    selectorTableInsert(scratch, 1, remote, 1, 9);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(sent()).toBe(1, "an SA before a DISCARD without priority");
    expect(childPolicyInsert(2, POLICY_BYPASS, 0, scratch, 1, remote, 1)).toBe(true);
    const clear = packet(1, 64, 0x0a010002, 0x0a020002);
    memory.copy(before, clear.start, 84);
    forwardProtected(clear);
    expect(sent()).toBe(2);
    const out = posted(PORT_UNPROTECTED, 0);
    expect(memory.compare(out, before, 84)).toBe(0, "unsealed, not an octet changed");
    expect(childPolicyInsert(4, POLICY_DISCARD, 7, scratch, 1, remote, 1)).toBe(true);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(drops(DROP_POLICY_DISCARD)).toBe(2, "a configured priority comes first");
    expect(policyHits(BYPASS_POLICY | 2, false)).toBe(1);
    expect(policyHits(DISCARD_POLICY | 1, false)).toBe(1);
    expect(policyHits(DISCARD_POLICY | 4, false)).toBe(1);
    expect(policyHits(DISCARD_POLICY | 4, true)).toBe(0);
    childPolicyRemove(4, POLICY_DISCARD);
    childPolicyRemove(2, POLICY_BYPASS);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(sent()).toBe(3, "back to the SA");
  });

  test("a policy that finds no room or no packet is refused; its child's counters begin anew", () => {
    selectors();
    const remote = scratch + SELECTOR_OCTETS;
    store<u8>(remote, 6, SELECTOR_FAMILY);
    expect(childPolicyInsert(1, POLICY_BYPASS, 0, scratch, 1, remote, 1)).toBe(false);
    expect(childPolicyInsert(256, POLICY_BYPASS, 0, scratch, 1, scratch, 1)).toBe(false);
    selectors();
    expect(childPolicyInsert(1, POLICY_DISCARD, 0, scratch, 1, remote, 1)).toBe(true);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    childPolicyRemove(1, POLICY_DISCARD);
    expect(childPolicyInsert(1, POLICY_BYPASS, 0, scratch, 1, remote, 1)).toBe(true);
    expect(policyHits(BYPASS_POLICY | 1, false)).toBe(0);
  });

  test("SPD-I: what comes in clear is bypassed, discarded, should have been protected, or is nobody's", () => {
    selectors();
    const remote = scratch + SELECTOR_OCTETS;
    forwardUnprotected(packet(1, 64, 0x0a020002, 0x0a010002));
    expect(drops(DROP_IP_NOT_FOR_US)).toBe(1, "no policy");
    selectorTableInsert(scratch, 1, remote, 1, 9);
    forwardUnprotected(packet(1, 64, 0x0a020002, 0x0a010002));
    expect(drops(DROP_PROTECTION_MISSING)).toBe(1, "an SA covers it");
    trap(3);
    childPolicyInsert(4, POLICY_DISCARD, 5, scratch, 1, remote, 1);
    forwardUnprotected(packet(1, 64, 0x0a020002, 0x0a010002));
    expect(drops(DROP_POLICY_DISCARD)).toBe(1);
    childPolicyInsert(5, POLICY_BYPASS, 4, scratch, 1, remote, 1);
    const clear = packet(17, 64, 0x0a020002, 0x0a010002);
    memory.copy(before, clear.start, 84);
    forwardUnprotected(clear);
    expect(sent()).toBe(1);
    expect(memory.compare(posted(PORT_PROTECTED, 0), before, 84)).toBe(0);
    expect(policyHits(BYPASS_POLICY | 5, true)).toBe(1);
    expect(policyHits(BYPASS_POLICY | 5, false)).toBe(0);
    forwardUnprotected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(drops(DROP_IP_NOT_FOR_US)).toBe(2, "the wrong way about");
    childPolicyRemove(5, POLICY_BYPASS);
    childPolicyRemove(4, POLICY_DISCARD);
    selectorTableRemove(9);
    forwardUnprotected(packet(1, 64, 0x0a020002, 0x0a010002));
    expect(drops(DROP_PROTECTION_MISSING)).toBe(2, "a trap covers it: no acquire for a packet from outside");
    expect(pollDistributionEvent() === null).toBe(true);
  });

  test("SPD-I: clear packets to ourselves too, but never ESP, AH and IKE that are ours", () => {
    selectors();
    // 0.0.0.0/0 both ends.
    for (let i: u32 = 0; i < 2; i++) {
      storeBE32(scratch + i * SELECTOR_OCTETS + SELECTOR_START, 0);
      storeBE32(scratch + i * SELECTOR_OCTETS + SELECTOR_END, 0xffffffff);
    }
    childPolicyInsert(4, POLICY_DISCARD, 1, scratch, 1, scratch + SELECTOR_OCTETS, 1);
    const esp = packet(50, 64);
    storeBE32(esp.start + 20, SPI);
    forwardUnprotected(esp);
    expect(sent()).toBe(1);
    const ike = udp(500, 28);
    expect(forwardUnprotected(ike)).toBe(FORWARD_IKE);
    consume(ike);
    forwardUnprotected(packet(6, 64));
    forwardUnprotected(udp(53, 20));
    expect(drops(DROP_POLICY_DISCARD)).toBe(2);
    childPolicyInsert(5, POLICY_BYPASS, 1, scratch, 1, scratch + SELECTOR_OCTETS, 1);
    forwardUnprotected(packet(6, 64));
    expect(sent()).toBe(2, "among equals the newer");
    expect(posted(PORT_PROTECTED, 0)).not.toBe(0);
  });

  test("a listing tells every row, over as many polls as it takes", () => {
    selectors();
    policyListReset();
    const remote = scratch + SELECTOR_OCTETS;
    trap(3);
    childPolicyInsert(4, POLICY_DISCARD, 5, scratch, 1, remote, 1);
    selectorTableInsert(scratch, 1, remote, 1, 9);
    policyListPoll();
    expect(policyListNext()).toBe(LISTING_PAUSE, "none is asked for");
    for (let i: u32 = 0; i < 8; i++) expect(policyListStart(100 + i)).toBe(true);
    expect(policyListStart(108)).toBe(false);
    for (let turn: u32 = 0; turn < 8; turn++) {
      expect(policyListTransaction()).toBe(100 + turn);
      policyListPoll();
      let rows = 0;
      let found = policyListNext();
      for (; found == LISTING_ROW; found = policyListNext()) {
        rows += 1;
        if (listedValue == (DISCARD_POLICY | 4)) expect(listedPriority).toBe(5);
      }
      expect(rows).toBe(3);
      expect(found).toBe(LISTING_END);
      policyListDone();
    }
    expect(policyListBusy()).toBe(false);
  });

  test("a trap acquires and holds its first packet for a while, no further one; it is gone when removed", () => {
    selectors();
    trap(3);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(drops(DROP_NO_SA_ACQUIRING)).toBe(0);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(drops(DROP_NO_SA_ACQUIRING)).toBe(1);
    store<u64>(map + REG_NOW, 10_999_999_999);
    expect(heldTimeout()).toBe(11_000_000_000);
    expect(drops(DROP_NO_SA_ACQUIRING)).toBe(1);
    store<u64>(map + REG_NOW, 11_000_000_000);
    expect(heldTimeout()).toBe(u64.MAX_VALUE);
    expect(drops(DROP_NO_SA_ACQUIRING)).toBe(2);
    const event = changetype<DistributionEvent>(pollDistributionEvent());
    expect(event.kind).toBe(DISTRIBUTION_ACQUIRE);
    expect(event.spi).toBe(3);
    const flow = changetype<Flow>(event.ends);
    expect(flow.kind).toBe(flowKind(4, 1));
    expect(flow.sourceHigh >> 32).toBe(0x0a010002);
    expect(flow.destinationHigh >> 32).toBe(0x0a020002);
    expect(flow.sourcePort).toBe(0, "type and code of an echo reply");
    childPolicyRemove(3, POLICY_TRAP);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(drops(DROP_NO_POLICY)).toBe(1);
  });

  test("a packet that is held goes on when an SA covers it, and not before", () => {
    selectors();
    trap(3);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    heldWake();
    expect(heldNext() === null).toBe(true);
    selectorTableInsert(scratch, 1, scratch + SELECTOR_OCTETS, 1, 9);
    heldWake();
    forwardProtected(changetype<Frame>(heldNext()));
    expect(heldNext() === null).toBe(true);
    expect(sent()).toBe(1);
  });

  test("an SA takes precedence over the trap it fulfils", () => {
    selectors();
    trap(3);
    selectorTableInsert(scratch, 1, scratch + SELECTOR_OCTETS, 1, 9);
    forwardProtected(packet(1, 64, 0x0a010002, 0x0a020002));
    expect(sent()).toBe(1);
  });

  afterEach(conserved);
});

function conserved(): void {
  portsSettle();
  expect(load<u32>(map + REG_HELD)).toBe(0);
  const made = load<u64>(map + REG_IN) + load<u64>(map + REG_ORIGINATED);
  const gone = load<u64>(map + REG_SENT) + load<u64>(map + REG_DROPPED) + load<u64>(map + REG_CONSUMED);
  expect(made).toBe(gone);
}
