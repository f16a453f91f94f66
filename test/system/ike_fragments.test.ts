/** Stories of fragmented IKE messages (RFC 7383): two of ours, whose IKE_AUTH is longer than one fragment may be. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MAP_DROPS, REG_HELD } from "../../assembly/abi/board.ts";
import { CONFIG_FRAGMENT_SIZE } from "../../assembly/abi/config.ts";
import { DROP_IKE_AUTHENTICATION, DROP_IKE_FRAGMENT } from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/management.ts";
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { Pair, connection, selector, summed, type Endpoint, type Options } from "./ike_endpoints.ts";

const SIZE = 576;
const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
/** What makes IKE_AUTH long: identities and many selectors. */
const nets = (side: number): Buffer[] =>
  Array.from({ length: 8 }, (_, i) => selector([10, side, i, 0], [10, side, i, 255 - i]));
const long = (mine: number): Options => ({
  idTail: `.${"x".repeat(200)}`,
  localTs: nets(mine),
  remoteTs: nets(3 - mine),
});
const IP_UDP = 28;
const SKF = 53;

function pair(a: Options = {}, b: Options = {}): Pair {
  const p = new Pair("secret", "secret", 1, [[CONFIG_FRAGMENT_SIZE, SIZE]]);
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { ...long(1), ...a }));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, { ...long(2), ...b }));
  p.drive();
  return p;
}

function initiate(p: Pair, seconds = 1): Pair {
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(seconds);
  return p;
}

function mirrored(p: Pair): void {
  const other = p.b.installed().map((s) => s.replace(/:([01]):/, (_, d) => `:${1 - Number(d)}:`));
  assert.equal(p.a.installed(), other.sort());
  assert.is(p.a.installed().length, 2);
  for (const end of [p.a, p.b]) assert.is(held(end), 0, "no frame is kept for good");
}

const held = (end: Endpoint): number => end.u32(end.map + REG_HELD);
const drops = (end: Endpoint, reason: number): number => Number(end.u64(end.u32(end.map + MAP_DROPS) + reason * 8));
const isFragment = (packet: Buffer): boolean => packet[IP_UDP + 16] === SKF;
const isResponse = (packet: Buffer): boolean => ((packet[IP_UDP + 19] as number) & 0x20) !== 0;
/** [number, total] of a fragment. */
const numbers = (packet: Buffer): number[] => [packet.readUInt16BE(IP_UDP + 32), packet.readUInt16BE(IP_UDP + 34)];

test("IKE_AUTH goes both ways in fragments, none longer than it may be", () => {
  const p = initiate(pair());
  mirrored(p);
  const fragments = p.packets.filter(isFragment);
  const requests = fragments.filter((packet) => !isResponse(packet));
  const responses = fragments.filter(isResponse);
  assert.equal(requests.map(numbers), [
    [1, 2],
    [2, 2],
  ]);
  assert.equal(responses.map(numbers), [
    [1, 2],
    [2, 2],
  ]);
  assert.is(p.packets.length, 2 + fragments.length);
  for (const packet of fragments) assert.ok(packet.length <= SIZE, `${packet.length} octets`);
  // RFC 7383 2.5: the first names the first inner payload, the others none; the ids of the message are the same.
  assert.equal(
    requests.map((packet) => packet[IP_UDP + 28]),
    [35, 0],
  );
  assert.is(requests[0].readUInt32BE(IP_UDP + 20), requests[1].readUInt32BE(IP_UDP + 20));
});

test("each packet of the negotiation is lost once, one at a time", () => {
  const total = initiate(pair()).packets.length;
  for (let lost = 1; lost <= total; lost++) {
    const p = pair();
    p.lose = (_, n) => n === lost;
    mirrored(initiate(p, 30));
  }
});

test("fragments arrive in reverse, and twice: the message is taken once", () => {
  const p = pair();
  const flush = (to: Endpoint, flight: Buffer[]): void => {
    for (const packet of flight.splice(0).reverse()) for (let i = 0; i < 2; i++) to.push(PORT_UNPROTECTED, packet);
  };
  const flights: [Buffer[], Buffer[]] = [[], []];
  p.wire = (packet, fromA) => {
    if (!isFragment(packet)) return packet;
    const flight = flights[fromA ? 0 : 1];
    flight.push(packet);
    if (numbers(packet)[0] === numbers(packet)[1]) flush(fromA ? p.b : p.a, flight);
    return null;
  };
  mirrored(initiate(p, 5));
  assert.is(drops(p.b, DROP_IKE_FRAGMENT), 0);
});

test("of a request that was answered, the first fragment alone is answered again", () => {
  const p = initiate(pair());
  const [first, second] = p.packets.filter((packet) => isFragment(packet) && !isResponse(packet));
  const before = p.packets.length;
  p.b.push(PORT_UNPROTECTED, second);
  p.drive(1);
  assert.is(p.packets.length, before);
  p.b.push(PORT_UNPROTECTED, first);
  p.drive(1);
  assert.is(p.packets.length, before + 2, "the response in its two fragments");
});

for (const [a, b, requests, responses] of [
  [M.FRAGMENTATION_NO, M.FRAGMENTATION_YES, false, false],
  [M.FRAGMENTATION_YES, M.FRAGMENTATION_NO, false, false],
  [M.FRAGMENTATION_ACCEPT, M.FRAGMENTATION_YES, false, true],
  [M.FRAGMENTATION_YES, M.FRAGMENTATION_ACCEPT, true, false],
] as const) {
  test(`fragmentation ${a} with ${b}: requests ${requests}, responses ${responses} in fragments`, () => {
    const p = initiate(pair({ fragmentation: a }, { fragmentation: b }));
    mirrored(p);
    const fragments = p.packets.filter(isFragment);
    assert.is(
      fragments.some((packet) => !isResponse(packet)),
      requests,
    );
    assert.is(fragments.some(isResponse), responses);
  });
}

test("a fragment that was changed is dropped, whatever octet it is, and the true one is taken", () => {
  const p = pair();
  let forged = 0;
  let structural = 0;
  p.wire = (packet, fromA) => {
    if (fromA && isFragment(packet) && forged === 0) {
      for (let at = IP_UDP + 28; at < packet.length; at++) {
        const bad = Buffer.from(packet);
        bad[at] ^= 1;
        bad.writeUInt16BE(0, 26); // no UDP checksum
        forged += 1;
        // Lengths and numbers that cannot be are refused before the ICV is looked at.
        if (at < IP_UDP + 36) structural += 1;
        p.b.push(PORT_UNPROTECTED, summed(bad));
        p.b.poll(p.time);
      }
    }
    return packet;
  };
  mirrored(initiate(p, 5));
  assert.ok(forged > 400);
  assert.ok(drops(p.b, DROP_IKE_AUTHENTICATION) >= forged - structural);
});

test("what never becomes whole is given up, and its frames with it", () => {
  const p = pair();
  p.wire = (packet) => (isFragment(packet) && numbers(packet)[0] === 2 ? null : packet);
  initiate(p, 5);
  assert.is(held(p.b), 1, "the first fragment waits, its duplicates do not");
  p.drive(600);
  assert.equal(p.a.installed(), []);
  for (const end of [p.a, p.b]) assert.is(held(end), 0);
  assert.ok(drops(p.b, DROP_IKE_FRAGMENT) > 0);
});

test.run();
