/**
 * The internal path to a shelf: every frame has one outcome, whatever a network does to its datagrams; and the messages beside it, whatever
 * somebody sends in their place.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "node:crypto";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { Page, pageParts } from "../../host/chassis/drive/page.ts";
import {
  decodeCondition,
  decodeFault,
  decodePacket,
  decodePower,
  decodeSent,
  decodeStrike,
  decodeU32,
  encodeJson,
  encodeMessage,
  encodePower,
  type HousedPower,
  MESSAGE_POWER,
  type Message,
  MessageError,
  MessageReader,
} from "../../host/chassis/remote/control_message.ts";
import {
  ArrivalWindow,
  FORGED,
  OPENED_BEAT,
  OPENED_FRAME,
  PATH_WINDOW,
  PathEnd,
  type PathKeys,
  REPLAYED,
} from "../../host/chassis/remote/path.ts";
import { encodeState, PublishedState } from "../../host/chassis/remote/published_state.ts";
import { CHASSIS_DROP, CHASSIS_DROP_NAMES } from "../../host/chassis/vocabulary.ts";

const SEED = Number(process.env.CARDCAGE_SEED ?? 1);
const SESSION = 77;

function keys(): [PathKeys, PathKeys] {
  const one = { key: randomBytes(32), iv: randomBytes(12) };
  const other = { key: randomBytes(32), iv: randomBytes(12) };
  const copy = ({ key, iv }: typeof one) => ({ key: Buffer.from(key), iv: Buffer.from(iv) });
  return [
    { send: one, receive: other },
    { send: copy(other), receive: copy(one) },
  ];
}

function ends(): [PathEnd, PathEnd] {
  const [a, b] = keys();
  return [new PathEnd(SESSION, a), new PathEnd(SESSION, b)];
}

test(`a network that loses, repeats, delays, damages and invents: each frame is accepted once, or lost (seed ${SEED})`, () => {
  for (let run = 0; run < 30; run++) {
    const random = new SeededRandom(SEED * 1000 + run);
    const below = (n: number): number => Math.floor(random.next() * n);
    const [a, b] = ends();
    const [stranger] = ends();
    const sent: string[] = [];
    const arrived = new Set<string>();
    const underWay: Buffer[] = [];
    let forgeries = 0;
    const deliver = (datagram: Buffer): void => {
      const before = { forged: b.forged, replayed: b.replayed, accepted: b.accepted };
      const what = b.open(datagram);
      if (what === OPENED_FRAME) {
        const content = `${b.port}/${b.link}/${b.octets.toString("hex")}`;
        assert.not.ok(arrived.has(content), "nothing arrives twice");
        assert.ok(sent.includes(content), "what arrives was sent");
        arrived.add(content);
        assert.is(b.accepted, before.accepted + 1);
      } else if (what === FORGED) assert.is(b.forged, before.forged + 1);
      else if (what === REPLAYED) assert.is(b.replayed, before.replayed + 1);
    };
    for (let i = 0; i < 400; i++) {
      const octets = Buffer.concat([Buffer.from([i >>> 8, i & 255]), randomBytes(below(100))]);
      sent.push(`${i % 5}/${i}/${octets.toString("hex")}`);
      underWay.push(a.seal(i % 5, i, octets, 0, octets.length));
      if (i % 50 === 0) underWay.push(a.beat());
      while (underWay.length > below(40)) {
        const [datagram] = underWay.splice(below(underWay.length), 1);
        const chance = below(20);
        if (chance === 0) continue;
        if (chance === 1) {
          datagram![below(datagram!.length)]! ^= 1 << below(8);
          // SESSION is the other file's business: whoever opens has looked at it, but it is sealed in all the same.
          forgeries += 1;
        } else if (chance === 2) {
          deliver(datagram!.subarray(0, below(datagram!.length)));
          forgeries += 1;
          continue;
        } else if (chance === 3) {
          deliver(stranger!.seal(1, 2, octets, 0, octets.length));
          forgeries += 1;
        } else if (chance < 6) deliver(Buffer.from(datagram!));
        deliver(datagram!);
      }
    }
    for (const datagram of underWay) deliver(datagram);
    assert.is(b.forged, forgeries);
    b.settle(a.sent);
    assert.is(b.accepted, arrived.size);
    assert.is(a.sent, b.accepted + b.lost, "each frame has one outcome");
    assert.ok(b.lost > 0 && b.replayed > 0, "the network did what it should");
  }
});

test("a beat settles what was sent before the one before it; a datagram that comes later is a replay", () => {
  const [a, b] = ends();
  const seal = (): Buffer => a.seal(1, 0, Buffer.from("x"), 0, 1);
  const late = seal();
  assert.is(b.open(a.beat()), OPENED_BEAT);
  assert.is(b.lost, 0, "it may still be on its way");
  const inTime = seal();
  assert.is(b.open(a.beat()), OPENED_BEAT);
  assert.is(b.lost, 1);
  assert.is(b.open(late), REPLAYED);
  assert.is(b.open(inTime), OPENED_FRAME);
  assert.equal([b.accepted, b.lost, b.replayed], [1, 1, 1]);
});

test("beats tell each end that it is heard, and none counts twice", () => {
  const [a, b] = ends();
  const first = a.beat();
  assert.is(b.open(Buffer.from(first)), OPENED_BEAT);
  assert.is(b.heard, 0, "nothing of b's has come");
  assert.is(a.open(b.beat()), OPENED_BEAT);
  assert.is(a.heard, 1);
  assert.is(b.open(first), REPLAYED);
  assert.is(b.open(a.beat()), OPENED_BEAT);
  assert.is(b.heard, 1);
});

test("what was sealed one way does not open the other way, nor in another session", () => {
  const [a, b] = ends();
  const datagram = a.seal(1, 0, Buffer.from("x"), 0, 1);
  assert.is(a.open(Buffer.from(datagram)), FORGED);
  datagram.writeUInt32LE(SESSION + 1, 0);
  assert.is(b.open(datagram), FORGED);
});

test("the window: numbers within it in any order, once each; a jump beyond it loses what it passes", () => {
  const window = new ArrivalWindow();
  assert.ok(window.accept(PATH_WINDOW - 1));
  assert.ok(window.accept(0));
  assert.not.ok(window.accept(0));
  assert.ok(window.accept(PATH_WINDOW));
  assert.not.ok(window.accept(0), "it is behind the window now");
  assert.is(window.lost, 0);
  assert.ok(window.accept(PATH_WINDOW + 1));
  assert.is(window.lost, 1, "number 1 never came");
  assert.ok(window.accept(10 * PATH_WINDOW));
  window.settle(10 * PATH_WINDOW + 1);
  assert.is(window.accepted, 5);
  assert.is(window.lost, 10 * PATH_WINDOW + 1 - 5);
  window.settle(5);
  assert.is(window.lost, 10 * PATH_WINDOW + 1 - 5, "never back");
});

const ORDER: HousedPower = {
  chassis: "moon",
  ikeSlot: 0,
  port: 40000,
  now: 123_456_789_012n,
  image: { name: "ipsec.simd", octets: randomBytes(300) },
  power: {
    slot: 2,
    generation: 3,
    pages: 100,
    boardClass: 2,
    config: randomBytes(80),
    entropy: randomBytes(64),
    traceMask: 15,
    conservation: true,
  },
};

test("a stream of messages is the same, wherever it is cut", () => {
  const random = new SeededRandom(SEED);
  const messages = [encodePower(ORDER), encodeMessage(2, Buffer.alloc(8)), encodeMessage(3, randomBytes(5000))];
  const stream = Buffer.concat(messages);
  for (let run = 0; run < 200; run++) {
    const reader = new MessageReader();
    const read: Message[] = [];
    for (let at = 0; at < stream.length; ) {
      const size = 1 + Math.floor(random.next() * (run % 2 === 0 ? 20 : 3000));
      read.push(...reader.push(stream.subarray(at, at + size)));
      at += size;
    }
    assert.equal(
      read.map(({ type, body }) => [type, body.length]),
      messages.map((message) => [message[4], message.length - 8]),
    );
    const { image, power, ...order } = decodePower(read[0]!.body);
    assert.equal(Buffer.from(image.octets), Buffer.from(ORDER.image.octets));
    assert.equal([Buffer.from(power.config), Buffer.from(power.entropy)], [ORDER.power.config, ORDER.power.entropy]);
    assert.equal(order, { chassis: "moon", ikeSlot: 0, port: 40000, now: ORDER.now });
  }
});

test("a message that is too long, or shorter than its header, ends the reading", () => {
  for (const length of [0, 7, 0xffff_ffff, (1 << 17) + 1]) {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(length, 0);
    header[4] = 3;
    assert.throws(
      () => new MessageReader().push(header),
      (error: unknown) => error instanceof MessageError,
    );
  }
});

test(`damaged messages are refused as such, or mean something (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED + 1);
  const below = (n: number): number => Math.floor(random.next() * n);
  const state = (body: Buffer): void => new PublishedState(new Page(pageParts())).take(body);
  const report = { kind: "trap", trapText: "t", stack: "s", abort: { file: "f", line: 1, column: 2, message: "m" } };
  const condition = { traceMask: 1, injection: { lose: 0.5 }, faults: { stalled: true } };
  const cases: [Buffer, (body: Buffer) => unknown][] = [
    [encodePower(ORDER), decodePower],
    [encodeJson(4, condition), decodeCondition],
    [encodeJson(5, { how: "trap" }), decodeStrike],
    [encodeJson(19, report), decodeFault],
    [encodeMessage(17, Buffer.alloc(4)), decodeU32],
    [encodeMessage(2, Buffer.alloc(8)), decodeSent],
    [encodeMessage(3, Buffer.alloc(100)), decodePacket],
    [encodeMessage(22, encodeState(new Page(pageParts()), noDrops(), { accepted: 0, lost: 0 }, 0)), state],
  ];
  let refused = 0;
  for (const [whole, decode] of cases) {
    decode(whole.subarray(8));
    for (let i = 0; i < 1500; i++) {
      const body = Buffer.from(whole.subarray(8));
      for (let n = below(4); n >= 0 && body.length > 0; n--) body[below(Math.min(body.length, 400))] = below(256);
      try {
        decode(below(4) === 0 ? body.subarray(0, below(body.length + 1)) : body);
      } catch (error) {
        if (!(error instanceof MessageError)) throw error;
        refused += 1;
      }
    }
  }
  assert.ok(refused > 1000, `${refused} refused`);
});

test("an order of another release is refused by its name", () => {
  const other = encodePower(ORDER).toString("latin1").replace('"protocol":1', '"protocol":9');
  assert.throws(() => decodePower(Buffer.from(other, "latin1").subarray(8)), /protocol 9; this end speaks 1/);
  const own = encodePower({ ...ORDER, ikeSlot: 2 });
  assert.throws(() => decodePower(own.subarray(8)), /IKE board's slot/);
  assert.is(own[4], MESSAGE_POWER);
});

const noDrops = (): number[] => CHASSIS_DROP_NAMES.map(() => 0);

test("what a board publishes is added to the page's counters, from one connection to the next", () => {
  const page = new Page(pageParts());
  const shelf = new Page(pageParts());
  const drops = noDrops();
  for (const [connection, total] of [
    [new PublishedState(page), 5],
    [new PublishedState(page), 10],
  ] as const) {
    shelf.links.fill(0);
    drops.fill(0);
    for (const step of [2, 3]) {
      shelf.links[0]! += step;
      shelf.map[0] = step;
      drops[CHASSIS_DROP.remote_lost]! += step;
      connection.take(encodeState(shelf, drops, { accepted: step, lost: 0 }, 0));
    }
    assert.is(page.links[0], total);
    assert.is(page.drops[CHASSIS_DROP.remote_lost], total);
    assert.is(page.map[0], 3);
    assert.is(connection.outcome.accepted, 3);
    drops[CHASSIS_DROP.remote_lost] = 1;
    assert.throws(() => connection.take(encodeState(shelf, drops, { accepted: 3, lost: 0 }, 0)), /a counter that fell/);
  }
});

test.run();
