/**
 * A responder under a flood of first messages (RFC 7296 section 2.6, 2.6.1): cookies are asked for, nothing is kept of who
 * cannot bring them back, and a genuine peer gets in meanwhile.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { REG_HELD } from "../../assembly/abi/board.ts";
import { Endpoint, Pair, connection, from } from "./ike_endpoints.ts";
import type { Item, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const COOKIE = 16390;
const NONCE = 40;

/** A initiates to B, which takes first messages from any address. */
function pair(a: Options = {}, b: Options = {}): Pair {
  const p = new Pair();
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, a));
  p.b.command(
    M.MANAGEMENT_CONNECTION_LOAD,
    connection(2, b).filter(([type]) => type !== M.CONNECTION_REMOTE_ADDRESS),
  );
  p.drive();
  return p;
}

/** A's first message, which B does not get. */
function firstMessage(p: Pair): Buffer {
  p.wire = () => null;
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive();
  p.wire = (packet) => packet;
  return p.packets[0];
}

/** The same from elsewhere, with an SPI and a nonce of its own. */
function spoofed(message: Buffer, n: number, address: number[], port = 500): Buffer {
  const out = from(message, address, port);
  out.writeUInt32BE(n, 28);
  out.writeUInt32BE(n, 32);
  for (let p = 56, type = out[44]; p < out.length; type = out[p], p += out.readUInt16BE(p + 2))
    if (type === NONCE) out.writeUInt32BE(n, p + 4);
  return out;
}

/** The message with a cookie in front. */
function withCookie(message: Buffer, cookie: Buffer): Buffer {
  const notify = Buffer.from([message[44], 0, 0, 8 + cookie.length, 0, 0, COOKIE >> 8, COOKIE & 255]);
  const out = Buffer.concat([message.subarray(0, 56), notify, cookie, message.subarray(56)]);
  out[44] = 41;
  out.writeUInt16BE(out.length, 2);
  out.writeUInt16BE(out.length - 20, 24);
  out.writeUInt16BE(0, 26);
  out.writeUInt32BE(out.length - 28, 52);
  return from(out, [...out.subarray(12, 16)], out.readUInt16BE(20));
}

/** The cookie that an answer asks for, or null. */
function cookieOf(answer: Buffer): Buffer | null {
  return answer[44] === 41 && answer.readUInt16BE(62) === COOKIE
    ? answer.subarray(64, 56 + answer.readUInt16BE(58))
    : null;
}

/** What B answers. */
function ask(p: Pair, message: Buffer): Buffer[] {
  p.b.push(0, message);
  for (let i = 0; i < 4; i++) p.b.poll(p.time);
  return p.b.sent.splice(0);
}

const address = (n: number): number[] => [198, 51 + (n >> 16), (n >> 8) & 255, n & 255];
const held = (p: Pair): number => 16 - p.b.wasm.freeIkeSas();

/** B has as many half-open IKE_SAs as it takes without cookies. */
function alarm(p: Pair, message: Buffer): number {
  let n = 0;
  for (; n < 10; n++) if (cookieOf(ask(p, spoofed(message, 1 + n, address(1 + n)))[0]) !== null) return n;
  throw new Error("no cookie is asked for");
}

test("thousands of first messages from false addresses: each is asked for a cookie, none is kept, and a genuine peer gets in", () => {
  const p = pair();
  const message = firstMessage(p);
  const kept = alarm(p, message);
  assert.is(held(p), kept);
  const began = performance.now();
  // HDR(A,0), SAi1, KEi, Ni -->   <-- HDR(A,0), N(COOKIE)
  for (let n = 100; n < 5100; n++) {
    p.b.push(0, spoofed(message, n, address(n), 500 + (n % 7)));
    if (n % 16 === 15) p.b.poll(p.time);
  }
  p.b.poll(p.time);
  const answers = p.b.sent.splice(0);
  console.log(
    `${(((performance.now() - began) * 1000) / 5000).toFixed(1)} us for each spoofed message, polls and test included`,
  );
  assert.is(answers.length, 5000);
  assert.ok(answers.every((answer) => cookieOf(answer)?.length === 33));
  assert.is(held(p), kept, "no state is kept");
  // HDR(A,0), N(COOKIE), SAi1, KEi, Ni -->   <-- HDR(A,B), SAr1, KEr, Nr
  // The genuine one's message is sent again after 2 s, amid the flood, and has to bring its cookie, too.
  let flood = 10000;
  p.wire = (packet, fromA) => {
    for (let i = 0; fromA && i < 20; i++, flood++) p.b.push(0, spoofed(message, flood, address(flood)));
    // What answers false addresses does not come to A.
    return fromA || packet.readUInt32BE(16) === 0xc0000201 ? packet : null;
  };
  p.drive(10);
  assert.is(p.a.installed().length, 2, "established");
  assert.is(p.b.installed().length, 2);
});

/** An initiator of its own, with an address and an identity of its own, on B's cable. */
function peer(n: number): Endpoint {
  const end = new Endpoint([192, 0, 2, 100 + n], "secret");
  const own = connection(1, { dpd: 3 }).map(([type, value]): Item => {
    if (type === M.CONNECTION_LOCAL_ID) return [type, Buffer.from(`\u0002peer${n}.example`)];
    return [type, value];
  });
  end.command(M.MANAGEMENT_CONNECTION_LOAD, own);
  return end;
}

test("2,000 first messages a second from false addresses, for 30 s: who is up stays up, every genuine peer gets in, nothing grows", () => {
  const SECOND = 1_000_000_000n;
  const TICK = SECOND / 100n;
  const p = pair();
  const message = firstMessage(p);
  p.b.command(
    M.MANAGEMENT_CONNECTION_LOAD,
    connection(2, { dpd: 3 }).filter(
      ([type]) => type !== M.CONNECTION_REMOTE_ADDRESS && type !== M.CONNECTION_REMOTE_ID,
    ),
  );
  const peers = [1, 2, 3, 4, 5].map(peer);
  const byAddress = new Map(peers.map((end, i) => [0xc0000265 + i, end]));
  let cookies = 0;
  let time = p.time;
  /** A hundredth of a second, in which B gets `spoof` false first messages. */
  let serial = 1000;
  const tick = (spoof: number): void => {
    for (let i = 0; i < spoof; i++, serial++) p.b.push(0, spoofed(message, serial, address(serial)));
    for (let n = 0; n < 3; n++) {
      p.b.poll(time);
      for (const end of peers) {
        end.poll(time);
        for (const packet of end.sent.splice(0)) p.b.push(0, packet);
      }
      for (const packet of p.b.sent.splice(0)) {
        const to = byAddress.get(packet.readUInt32BE(16));
        if (to) to.push(0, packet);
        else if (cookieOf(packet)) cookies++;
      }
    }
    time += TICK;
  };
  const run = (seconds: number, spoof: number): void => {
    for (let n = 0; n < seconds * 100; n++) tick(spoof);
  };
  const start = (end: Endpoint): void => end.command(M.MANAGEMENT_INITIATE, [CHILD]);
  start(peers[0]);
  run(1, 0);
  const kept = peers[0].installed();
  assert.is(kept.length, 2, "one is up before");
  const used = p.b.wasm.memoryUsed();
  // HDR(A,0), SAi1, KEi, Ni -->   <-- HDR(A,0), N(COOKIE), 20 of them each hundredth of a second
  for (const end of peers.slice(1)) {
    run(5, 20);
    start(end);
  }
  run(10, 20);
  for (const end of peers) assert.is(end.installed().length, 2, "every genuine peer is up");
  assert.equal(peers[0].installed(), kept, "who was up before is up still, liveness checks and all");
  assert.is(p.b.installed().length, 2 * peers.length);
  assert.ok(cookies > 59_900, `${cookies} of 60,000 were asked for a cookie`);
  assert.ok(held(p) <= peers.length + 4, "half-open ones keep to their share");
  run(45, 0);
  assert.is(held(p), peers.length, "half-open ones are gone");
  assert.is(p.b.wasm.memoryUsed(), used);
  assert.is(p.b.u32(p.b.map + REG_HELD), 0, "no frame is kept");
});

test("a cookie is good for the address, port, SPI and nonce that it was given for, and for two lives of its secret at most", () => {
  const p = pair();
  const message = firstMessage(p);
  alarm(p, message);
  // Keeps the alarm up: the half-open ones go after 30 s, the alarm 10 s later.
  const again = (): number => alarm(p, message);
  const mine = spoofed(message, 77, [203, 0, 113, 7]);
  const cookie = cookieOf(ask(p, mine)[0])!;
  const version = cookie[0];
  assert.is(cookie.length, 33);
  const refused = (what: string, packet: Buffer): void => {
    const before = held(p);
    const [answer] = ask(p, packet);
    assert.ok(cookieOf(answer), `${what}: asked for a cookie`);
    assert.is(held(p), before, `${what}: nothing is kept`);
  };
  refused("another address", withCookie(spoofed(message, 77, [203, 0, 113, 8]), cookie));
  refused("another port", withCookie(spoofed(message, 77, [203, 0, 113, 7], 501), cookie));
  refused("another SPI and nonce", withCookie(spoofed(message, 78, [203, 0, 113, 7]), cookie));
  for (let i = 0; i < cookie.length; i++) {
    const changed = Buffer.from(cookie);
    changed[i] ^= 1;
    refused(`octet ${i} changed`, withCookie(mine, changed));
  }
  refused("cut", withCookie(mine, cookie.subarray(0, 32)));
  refused("empty", withCookie(mine, Buffer.alloc(0)));
  // One life on, it still is.
  p.time += 61_000_000_000n;
  p.b.poll(p.time);
  again();
  const fresh = cookieOf(ask(p, spoofed(message, 90, [203, 0, 113, 9]))[0])!;
  assert.is(fresh[0], version + 1, "another secret");
  const before = held(p);
  const [answer] = ask(p, withCookie(mine, cookie));
  assert.is(answer[44], 33, "an SA payload: it goes on");
  assert.is(held(p), before + 1);
  // Two lives on, it is not.
  p.time += 61_000_000_000n;
  p.b.poll(p.time);
  again();
  refused("two lives old", withCookie(spoofed(message, 77, [203, 0, 113, 7]), cookie));
});

test("one source may have only its part of the half-open IKE_SAs, though it brings cookies", () => {
  const p = pair();
  const message = firstMessage(p);
  for (let n = 1; n <= 20; n++) {
    const packet = spoofed(message, n, [203, 0, 113, 1]);
    const cookie = cookieOf(ask(p, packet)[0] ?? packet);
    if (cookie) ask(p, withCookie(packet, cookie));
  }
  assert.is(held(p), 3);
  // Another one is let in beside it.
  p.drive(10);
  assert.is(p.a.installed().length, 2, "established");
});

test("COOKIE and INVALID_KE_PAYLOAD in one negotiation: both are heeded, the cookie goes on being brought", () => {
  // 2.6.1   HDR(A,0), SAi1, KEi, Ni -->               <-- HDR(A,0), N(COOKIE)
  //         HDR(A,0), N(COOKIE), SAi1, KEi, Ni -->    <-- HDR(A,0), N(INVALID_KE_PAYLOAD)
  //         HDR(A,0), N(COOKIE), SAi1, KEi', Ni -->   <-- HDR(A,B), SAr1, KEr, Nr
  const p = pair({ ke: [31, 19] }, { ke: [19] });
  const message = firstMessage(p);
  // Half-open ones of the right group, from a peer that offers it alone.
  const other = pair({ ke: [19] });
  const right = firstMessage(other);
  alarm(p, right);
  const at = p.packets.length;
  assert.ok(cookieOf(ask(p, spoofed(message, 500, address(500)))[0]));
  p.drive(10);
  assert.is(p.a.installed().length, 2, "established");
  const inits = p.packets.slice(at).filter((packet) => packet[46] === 34 && packet[15] === 1);
  assert.is(inits.length, 3);
  assert.equal(
    inits.map((packet) => cookieOf(packet) !== null),
    [false, true, true],
  );
});

test("calm again: when the half-open ones are gone no cookie is asked for", () => {
  const p = pair();
  const message = firstMessage(p);
  alarm(p, message);
  p.a.command(M.MANAGEMENT_TERMINATE, []);
  p.drive(45);
  assert.is(held(p), 0);
  const [answer] = ask(p, spoofed(message, 900, address(900)));
  assert.is(answer[44], 33, "an SA payload");
});

test.run();
