/**
 * What the network does to one message: each message of each exchange in turn is lost once, lost twice, comes twice, or comes
 * behind the next one. Whichever it is, both ends end with the same SAs, and either can rekey what is left, so that windows are in
 * step, too (RFC 7296 section 2.1 to 2.4; fragments, and the exchanges of RFC 9242 and 9370, among them).
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CONFIG_FRAGMENT_SIZE } from "../../assembly/abi/config.ts";
import * as M from "../../assembly/abi/management.ts";
import * as R from "../../assembly/abi/ring.ts";
import { connection, from, Pair, type Endpoint, type Item, type Options } from "./ike_endpoints.ts";

const CHILD: Item = [M.CHILD_NAME, Buffer.from("net")];
const GW: Item = [M.CONNECTION_NAME, Buffer.from("gw")];
const IKE_SAS = 16;
const CHILD_SAS = 64;
const ECP256 = 19;
const X25519 = 31;

const FAULTS = ["lost once", "lost twice", "twice", "behind the next one"] as const;
type Fault = (typeof FAULTS)[number];

interface Exchange {
  name: string;
  options?: Options;
  /** B's, when they are others. */
  other?: Options;
  /** From nothing, or from a CHILD_SA that is up. */
  up: boolean;
  before?: (pair: Pair) => void;
  command: [side: "a" | "b", type: number, items: Item[]];
  /** Distinct messages that it takes. */
  messages: number;
  ends: [ikeSas: number, children: number];
}

/** First messages from elsewhere, until B asks everybody for a cookie. */
function alarm(pair: Pair): void {
  const stranger = new Pair("secret", "secret", 9);
  stranger.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, {}));
  stranger.wire = () => null;
  stranger.drive();
  stranger.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  stranger.drive();
  for (let n = 1; n <= 3; n++) {
    const packet = from(stranger.packets[0], [192, 0, 2, 1], 500 + n);
    packet.writeUInt32BE(n, 28);
    pair.b.push(R.PORT_UNPROTECTED, packet);
    for (let i = 0; i < 4; i++) pair.b.poll(pair.time);
  }
  pair.b.sent.length = 0;
}

const EXCHANGES: Exchange[] = [
  {
    // HDR, SAi1, KEi, Ni -->                     <-- HDR, SAr1, KEr, Nr
    // HDR, SK {IDi, AUTH, SAi2, TSi, TSr} -->    <-- HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    name: "IKE_SA_INIT and IKE_AUTH",
    up: false,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 4,
    ends: [1, 1],
  },
  {
    // HDR, SAi1, KEi, Ni -->                     <-- HDR, N(INVALID_KE_PAYLOAD)
    name: "IKE_SA_INIT with INVALID_KE_PAYLOAD",
    options: { ke: [X25519, ECP256] },
    other: { ke: [ECP256, X25519] },
    up: false,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SAi1, KEi, Ni -->                     <-- HDR, N(COOKIE)
    name: "IKE_SA_INIT with COOKIE",
    up: false,
    before: alarm,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SK {IDi, AUTH, SAi2, TSi, TSr, N(ANOTHER_AUTH_FOLLOWS)} -->  <-- HDR, SK {IDr, AUTH, N(ANOTHER_AUTH_FOLLOWS)}
    name: "IKE_AUTH in two rounds",
    options: { rounds: 2 },
    up: false,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SK {KEi(1)} -->                       <-- HDR, SK {KEr(1)}
    name: "IKE_INTERMEDIATE",
    options: { additional: ECP256 },
    up: false,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SKF {1 of 2} -->  HDR, SKF {2 of 2} -->     <-- HDR, SK {..}
    name: "IKE_AUTH in fragments",
    options: { idTail: ".and.a.name.so.long".repeat(11) },
    up: false,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 5,
    ends: [1, 1],
  },
  {
    // HDR, SK {SA, Ni, TSi, TSr} -->             <-- HDR, SK {SA, Nr, TSi, TSr}
    name: "IKE_AUTH without a CHILD_SA, and CREATE_CHILD_SA for a new one",
    options: { childless: M.CHILDLESS_PREFER },
    up: false,
    command: ["a", M.MANAGEMENT_INITIATE, [CHILD]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr} -->   <-- HDR, SK {SA, Nr, TSi, TSr}
    // HDR, SK {D} -->                               <-- HDR, SK {D}
    name: "CREATE_CHILD_SA to rekey a CHILD_SA",
    up: true,
    command: ["b", M.MANAGEMENT_REKEY, [CHILD]],
    messages: 4,
    ends: [1, 1],
  },
  {
    name: "CREATE_CHILD_SA to rekey a CHILD_SA with a key exchange",
    options: { childKe: X25519 },
    up: true,
    command: ["a", M.MANAGEMENT_REKEY, [CHILD]],
    messages: 4,
    ends: [1, 1],
  },
  {
    // HDR, SK {KEi(1), N(ADDITIONAL_KEY_EXCHANGE)} -->   <-- HDR, SK {KEr(1)}
    name: "IKE_FOLLOWUP_KE of a CHILD_SA",
    options: { childKe: X25519, additional: ECP256 },
    up: true,
    command: ["a", M.MANAGEMENT_REKEY, [CHILD]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SK {SA, Ni, KEi} -->                  <-- HDR, SK {SA, Nr, KEr}
    // HDR, SK {D} -->                            <-- HDR, SK {}
    name: "CREATE_CHILD_SA to rekey the IKE_SA",
    up: true,
    command: ["b", M.MANAGEMENT_REKEY, [GW]],
    messages: 4,
    ends: [1, 1],
  },
  {
    name: "IKE_FOLLOWUP_KE of an IKE_SA",
    options: { additional: ECP256 },
    up: true,
    command: ["a", M.MANAGEMENT_REKEY, [GW]],
    messages: 6,
    ends: [1, 1],
  },
  {
    // HDR, SK {D(child)} -->                     <-- HDR, SK {D(child)}
    name: "INFORMATIONAL with Delete of a CHILD_SA",
    up: true,
    command: ["a", M.MANAGEMENT_TERMINATE, [CHILD]],
    messages: 2,
    ends: [1, 0],
  },
  {
    // HDR, SK {D(IKE)} -->                       <-- HDR, SK {}
    name: "INFORMATIONAL with Delete of the IKE_SA",
    up: true,
    command: ["b", M.MANAGEMENT_TERMINATE, []],
    messages: 2,
    ends: [0, 0],
  },
];

/** What tells a message from others, and not from itself sent again: SPIs, exchange, flags, id and, of a fragment, its number. */
function nameOf(packet: Buffer): string {
  const at = packet.readUInt16BE(22) === 4500 ? 32 : 28;
  const fragment = packet[at + 16] === 53 ? packet.readUInt16BE(at + 32) : 0;
  // Before there is an SPI of the responder's, a cookie or another group makes it another message.
  const body = packet[at + 18] === 34 ? packet.toString("hex", at + 16) : "";
  return `${packet.toString("hex", at, at + 16)} ${packet.toString("hex", at + 18, at + 24)} ${fragment} ${body}`;
}

/** A network that treats the n-th distinct message in one way, and counts. */
function network(pair: Pair, n: number, fault: Fault | undefined): { seen: Map<string, number>; let: () => void } {
  const seen = new Map<string, number>();
  let late: { packet: Buffer; to: Endpoint } | undefined;
  const release = (): void => {
    if (late) late.to.push(R.PORT_UNPROTECTED, late.packet);
    late = undefined;
  };
  pair.wire = (packet, fromA) => {
    const to = fromA ? pair.b : pair.a;
    const name = nameOf(packet);
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    if (late) {
      to.push(R.PORT_UNPROTECTED, packet);
      release();
      return null;
    }
    if ([...seen.keys()].indexOf(name) !== n || fault === undefined) return packet;
    if (fault === "lost once") return times > 1 ? packet : null;
    if (fault === "lost twice") return times > 2 ? packet : null;
    if (times > 1) return packet;
    if (fault === "twice") to.push(R.PORT_UNPROTECTED, packet);
    else late = { packet, to };
    return fault === "twice" ? packet : null;
  };
  return { seen, let: release };
}

function same(p: Pair, [ikeSas, children]: [number, number]): void {
  const flip = (sa: string): string => sa.replace(/:([01]):/, (_, d: string) => `:${1 - Number(d)}:`);
  assert.equal(p.a.installed(), p.b.installed().map(flip).sort(), "both hold the same");
  assert.is(p.a.installed().length, 2 * children);
  for (const core of [p.a, p.b]) {
    assert.is(core.wasm.freeIkeSas(), IKE_SAS - ikeSas, "IKE_SAs");
    assert.is(core.wasm.freeChildSas(), CHILD_SAS - children, "CHILD_SAs");
  }
}

/** Either end can rekey what there is, so the windows of both are in step. */
function goesOn(p: Pair, ends: [number, number]): void {
  for (const side of ["a", "b"] as const) {
    const before = p.a.installed();
    if (ends[1] > 0) p[side].command(M.MANAGEMENT_REKEY, [CHILD]);
    else p[side].command(M.MANAGEMENT_INITIATE, [CHILD]);
    p.drive(3);
    same(p, [1, 1]);
    if (ends[1] > 0) assert.not.equal(p.a.installed(), before);
  }
}

for (const { name, options, other, up, before, command, messages, ends } of EXCHANGES) {
  test(`${name}: each of its ${messages} messages lost once, lost twice, twice, behind the next one`, () => {
    const p = new Pair("secret", "secret", 1, [[CONFIG_FRAGMENT_SIZE, 576]]);
    p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, options));
    p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, other ?? options));
    p.drive();
    if (up) {
      p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
      p.drive(3);
      same(p, [1, 1]);
    }
    before?.(p);
    const begin = p.time;
    const restore = [p.a.snapshot(), p.b.snapshot()];
    const [side, type, items] = command;
    const play = (n: number, fault?: Fault): void => {
      for (const back of restore) back();
      p.time = begin;
      p.packets.length = 0;
      const wire = network(p, n, fault);
      p[side].command(type, items);
      p.drive(fault === undefined ? 3 : 1);
      wire.let();
      p.drive(60);
      if (fault === undefined) assert.is(wire.seen.size, messages, "messages");
      else assert.ok(wire.seen.size >= messages, "the fault met a message");
      p.wire = (packet) => packet;
      same(p, ends);
      goesOn(p, ends);
    };
    play(-1);
    for (let n = 0; n < messages; n++) {
      for (const fault of FAULTS) {
        try {
          play(n, fault);
        } catch (error) {
          (error as Error).message += `: message ${n + 1} ${fault}`;
          throw error;
        }
      }
    }
  });
}

test.run();
