/**
 * Two IKE cores on a cable that may lose packets, with a secure element of node:crypto and a virtual clock: what the
 * stories of ike_two_endpoints.test.ts are told on.
 */
import { EVENTS, EVENT_OCTETS } from "../entries/event_log.ts";
import binaryen from "../../host/image/binaryen.ts";
import {
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import * as B from "../../assembly/abi/board.ts";
import * as C from "../../assembly/abi/config.ts";
import * as F from "../../assembly/abi/frame.ts";
import * as M from "../../assembly/abi/management.ts";
import {
  PSA_GENERATE_KEY,
  PSA_PSK_AUTH,
  PSA_PSK_AUTH_BOTH,
  PSA_RAW_KEY_AGREEMENT,
  PSA_RESPOND_KEY,
} from "../../assembly/abi/psa.ts";
import * as R from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";

export type Item = [number, Uint8Array | number];

export function items(list: Item[]): Buffer {
  return Buffer.concat(
    list.map(([type, value]) => {
      const v = typeof value === "number" ? Buffer.from(Uint32Array.of(value).buffer) : Buffer.from(value);
      const out = Buffer.alloc(4 + ((v.length + 3) & ~3));
      out.writeUInt16LE(type, 0);
      out.writeUInt16LE(v.length, 2);
      v.copy(out, 4);
      return out;
    }),
  );
}

const entry = readFileSync(await buildEntry("test/entries/ike_endpoint.ts", "base"));
let compiled: WebAssembly.Module | undefined;
function module(): WebAssembly.Module {
  return (compiled ??= new WebAssembly.Module(withGlobals(entry)));
}

/** Exports every global that changes, as global:N: with the memory they are all of a core's state. */
function withGlobals(wasm: Uint8Array): Uint8Array<ArrayBuffer> {
  const m = binaryen.readBinary(wasm);
  m.setFeatures(binaryen.Features.All);
  for (let i = 0; i < m.getNumGlobals(); i++) {
    const { name, mutable } = binaryen.getGlobalInfo(m.getGlobalByIndex(i));
    if (mutable) m.addGlobalExport(name, `global:${i}`);
  }
  const out = Uint8Array.from(m.emitBinary());
  m.dispose();
  return out;
}

type Share = KeyObject | ReturnType<typeof createECDH>;

function generate(method: number): { share: Share; publicValue: Buffer } {
  if (method === 31) {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    return { share: privateKey, publicValue: publicKey.export({ format: "der", type: "spki" }).subarray(12) };
  }
  const ecdh = createECDH("prime256v1");
  return { share: ecdh, publicValue: ecdh.generateKeys().subarray(1) };
}

function agree(method: number, share: Share, value: Buffer): Buffer {
  if (method !== 31)
    return (share as ReturnType<typeof createECDH>).computeSecret(Buffer.concat([Buffer.of(4), value]));
  const key = Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), value]);
  const publicKey = createPublicKey({ key, format: "der", type: "spki" });
  return diffieHellman({ privateKey: share as KeyObject, publicKey });
}

/** The secure element: X25519, P-256, the latter as an additional key exchange, too, and PSK AUTH. */
function element(psk: () => string, keys: Map<number, Share>, req: Buffer): Buffer {
  const op = req.readUInt16LE(0);
  const alg = req.readUInt32LE(12);
  let key = req.readUInt32LE(8);
  const fields: Buffer[] = [];
  for (let p = 16; p + 2 <= req.length; ) {
    const n = req.readUInt16LE(p);
    fields.push(req.subarray(p + 2, p + 2 + n));
    p += 2 + n;
  }
  const status = 0;
  let field: Buffer = Buffer.alloc(0);
  let more: Buffer[] = [];
  const auth = (octets: Buffer): Buffer => {
    const hash = alg === 5 ? "sha256" : alg === 6 ? "sha384" : "sha512";
    const pad = createHmac(hash, psk()).update("Key Pad for IKEv2").digest();
    return createHmac(hash, pad).update(octets).digest();
  };
  if (op === PSA_GENERATE_KEY) {
    const made = generate(alg);
    key = keys.size + 1;
    keys.set(key, made.share);
    field = made.publicValue;
  } else if (op === PSA_RAW_KEY_AGREEMENT) {
    field = agree(alg, keys.get(key) as Share, fields[0]);
  } else if (op === PSA_RESPOND_KEY) {
    const { share, publicValue } = generate(alg);
    const length = Buffer.alloc(2);
    length.writeUInt16LE(publicValue.length);
    field = Buffer.concat([length, publicValue, agree(alg, share, fields[0])]);
  } else if (op === PSA_PSK_AUTH) {
    field = auth(fields[2]);
  } else if (op === PSA_PSK_AUTH_BOTH) {
    const theirs = auth(fields[3]);
    field = auth(fields[2]);
    more = [theirs, Buffer.alloc(0)];
  }
  const rest = more.flatMap((value) => [Buffer.of(value.length & 255, value.length >> 8), value]);
  const out = Buffer.alloc(18 + field.length);
  out.writeUInt16LE(op, 0);
  req.copy(out, 4, 4, 8);
  out.writeUInt32LE(key, 8);
  out.writeInt32LE(status, 12);
  out.writeUInt16LE(field.length, 16);
  field.copy(out, 18);
  return Buffer.concat([out, ...rest]);
}

export interface BoardEvent {
  kind: number;
  link: number;
  spi: number;
  direction: number;
  key: number;
  remotePort: number;
  /** IPv4 addresses. */
  local: string;
  remote: string;
}

export class Endpoint {
  memory: WebAssembly.Memory;
  view: DataView;
  wasm: Record<string, (...values: number[]) => number>;
  map: number;
  /** Where the pool of frames begins. */
  frames: number;
  keys = new Map<number, Share>();
  messages: Buffer[] = [];
  sent: Buffer[] = [];
  psk: string;
  /** The key of the n-th AUTH that is asked for. */
  pskOf: (n: number) => string = () => this.psk;
  auths = 0;
  /** Operations of the secure element that it does not answer. */
  deaf = new Set<number>();
  /** Those that it takes its time for, and requests for them that wait. */
  slow = new Set<number>();
  waiting: Buffer[] = [];

  /** `entropy`, 64 octets, makes all that the core draws repeat itself; `more` is CONFIG; `image` another build of the core. */
  constructor(
    address: number[],
    psk: string,
    entropy: Uint8Array = randomBytes(64),
    more: Item[] = [],
    image: { module: WebAssembly.Module; pages: number } = { module: module(), pages: 1024 },
  ) {
    this.psk = psk;
    this.memory = new WebAssembly.Memory({ initial: image.pages, maximum: image.pages });
    this.view = new DataView(this.memory.buffer);
    this.wasm = new WebAssembly.Instance(image.module, { env: { memory: this.memory } }).exports as unknown as Record<
      string,
      (...values: number[]) => number
    >;
    this.map = this.wasm.boardMap();
    const config = items([
      [C.CONFIG_LOCAL_ADDRESS, Uint8Array.from(address)],
      ...more,
      [C.CONFIG_IKE_SA_CAPACITY, 16],
      [C.CONFIG_SA_CAPACITY, 64],
    ]);
    new Uint8Array(this.memory.buffer).set(config, this.u32(this.map + B.MAP_CONFIG));
    this.view.setUint32(this.map + B.REG_CONFIG_LENGTH, config.length, true);
    new Uint8Array(this.memory.buffer).set(entropy, this.map + B.REG_ENTROPY);
    this.wasm.boardReset();
    if (this.u32(this.map + B.REG_STATE) !== B.STATE_ONLINE) throw new Error("board refused");
    // The first frame of the pool is the first that was posted.
    this.frames = this.u32(this.ring(R.PORT_UNPROTECTED, R.PORT_RX) + R.RING_DESCRIPTORS + R.DESCRIPTOR_COOKIE);
  }

  /** Nothing of what frames hold matters: none is held, and none waits to be taken. */
  private idle(): boolean {
    const ports = this.u32(this.map + B.MAP_PORT_COUNT);
    const rings = Array.from({ length: ports }, (_, port) => this.ring(port, R.PORT_RX));
    const taken = rings.every((ring) => this.u32(ring + R.RING_DONE) === this.u32(ring + R.RING_TAKEN));
    return taken && this.u32(this.map + B.REG_HELD) === 0;
  }

  /** Remembers all of it; what is returned puts it back. */
  snapshot(): () => void {
    const used = this.wasm.memoryUsed();
    const octets = new Uint8Array(this.memory.buffer);
    const frames = this.frames + F.FRAME_COUNT * F.FRAME_STRIDE;
    const ranges: [number, number][] = this.idle()
      ? [
          [0, this.frames],
          ...Array.from({ length: F.FRAME_COUNT }, (_, i): [number, number] => {
            const at = this.frames + i * F.FRAME_STRIDE;
            return [at, at + F.FRAME_RECORD];
          }),
          [frames, used],
        ]
      : [[0, used]];
    const memory = ranges.map(([from, to]) => octets.slice(from, to));
    const globals = Object.values(this.wasm as unknown as Record<string, unknown>).filter(
      (value): value is WebAssembly.Global => value instanceof WebAssembly.Global,
    );
    const values = globals.map((g) => g.value as number | bigint);
    const keys = new Map(this.keys);
    const auths = this.auths;
    return () => {
      memory.forEach((part, i) => octets.set(part, ranges[i][0]));
      globals.forEach((g, i) => (g.value = values[i]));
      this.keys = new Map(keys);
      this.auths = auths;
      this.waiting = [];
      this.messages = [];
      this.sent = [];
    };
  }

  u32(p: number): number {
    return this.view.getUint32(p, true);
  }

  u64(p: number): bigint {
    return this.view.getBigUint64(p, true);
  }

  ring(port: number, side: number): number {
    return this.u32(this.u32(this.map + B.MAP_PORT_TABLE) + port * R.PORT_ENTRY_OCTETS + side);
  }

  push(port: number, data: Uint8Array): void {
    const ring = this.ring(port, R.PORT_RX);
    const done = this.u32(ring + R.RING_DONE);
    const d = ring + R.RING_DESCRIPTORS + (done & (this.u32(ring) - 1)) * R.DESCRIPTOR_OCTETS;
    new Uint8Array(this.memory.buffer).set(data, this.u32(d));
    this.view.setUint32(d + 4, data.length, true);
    this.view.setUint32(ring + R.RING_DONE, done + 1, true);
  }

  pull(port: number): Buffer[] {
    const ring = this.ring(port, R.PORT_TX);
    const out: Buffer[] = [];
    let done = this.u32(ring + R.RING_DONE);
    for (; done !== this.u32(ring + R.RING_POSTED); done++) {
      const d = ring + R.RING_DESCRIPTORS + (done & (this.u32(ring) - 1)) * R.DESCRIPTOR_OCTETS;
      out.push(Buffer.from(this.memory.buffer.slice(this.u32(d), this.u32(d) + this.u32(d + 4))));
    }
    this.view.setUint32(ring + R.RING_DONE, done >>> 0, true);
    return out;
  }

  command(type: number, list: Item[], transaction = 7): void {
    const body = items(list);
    const head = Buffer.alloc(12);
    head.writeUInt16LE(type, 0);
    head.writeUInt32LE(transaction, 4);
    head.writeUInt32LE(12 + body.length, 8);
    this.push(R.PORT_MANAGEMENT, Buffer.concat([head, body]));
  }

  poll(time: bigint): void {
    this.view.setBigUint64(this.map + B.REG_NOW, time, true);
    this.wasm.boardPoll();
    this.messages.push(...this.pull(R.PORT_MANAGEMENT));
    for (const req of this.pull(R.PORT_SECURE_ELEMENT)) {
      const op = req.readUInt16LE(0);
      if (this.deaf.has(op)) continue;
      if (this.slow.has(op)) this.waiting.push(req);
      else this.perform(req);
    }
    this.sent.push(...this.pull(R.PORT_UNPROTECTED));
  }

  /** The secure element answers a request. */
  perform(req: Buffer): void {
    this.push(
      R.PORT_SECURE_ELEMENT,
      element(() => this.pskOf(this.auths++), this.keys, req),
    );
  }

  /** It answers all that waits, the last first. */
  performAll(): void {
    for (let req = this.waiting.pop(); req; req = this.waiting.pop()) this.perform(req);
  }

  events(): BoardEvent[] {
    const count = this.wasm.eventCount();
    if (count > EVENTS) throw new Error(`the log of ${EVENTS} events has overrun`);
    return Array.from({ length: count }, (_, i) => {
      const at = this.wasm.eventLog() + i * EVENT_OCTETS;
      const address = (from: number): string => [...new Uint8Array(this.memory.buffer, from, 4)].join(".");
      return {
        kind: this.u32(at),
        link: this.u32(at + 4),
        spi: this.u32(at + 8),
        direction: this.u32(at + 12),
        key: this.u32(at + 16),
        remotePort: this.u32(at + 20),
        local: address(at + 24),
        remote: address(at + 40),
      };
    });
  }

  /** SAs that were installed and not removed, as "spi:direction:key". */
  installed(): string[] {
    const live = new Map<string, string>();
    for (const e of this.events()) {
      if (e.kind === 1) live.set(`${e.spi}:${e.direction}`, `${e.spi}:${e.direction}:${e.key}`);
      if (e.kind === 2) live.delete(`${e.spi}:${e.direction}`);
    }
    return [...live.values()].sort();
  }

  /** Texts of alerts. */
  alerts(): string[] {
    return this.messages
      .filter((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT)
      .flatMap((m) =>
        itemsOf(m.subarray(12))
          .filter(([t]) => t === M.EVENT_TEXT)
          .map(([, v]) => v.toString("latin1")),
      );
  }

  /** The IKE_SAs and CHILD_SAs that LIST_SAS tells of: type of the message and its items. */
  list(time: bigint): { type: number; items: Map<number, Buffer> }[] {
    const from = this.messages.length;
    this.command(M.MANAGEMENT_LIST_SAS, []);
    const told = (): boolean => this.messages.slice(from).some((m) => m.readUInt16LE(0) === M.MANAGEMENT_REPLY);
    for (let i = 0; i < 100 && !told(); i++) this.poll(time);
    return this.messages
      .slice(from)
      .filter((m) => [M.MANAGEMENT_IKE_SA, M.MANAGEMENT_CHILD_SA].includes(m.readUInt16LE(0)))
      .map((m) => ({ type: m.readUInt16LE(0), items: new Map(itemsOf(m.subarray(12))) }));
  }

  drops(): bigint {
    return this.u64(this.map + B.REG_DROPPED);
  }
}

export function itemsOf(body: Buffer): [number, Buffer][] {
  const out: [number, Buffer][] = [];
  for (let p = 0; p < body.length; ) {
    const n = body.readUInt16LE(p + 2);
    out.push([body.readUInt16LE(p), body.subarray(p + 4, p + 4 + n)]);
    p += (4 + n + 3) & ~3;
  }
  return out;
}

export class Pair {
  a: Endpoint;
  b: Endpoint;
  time = 1_000_000_000n;
  lose: (packet: Buffer, n: number) => boolean = () => false;
  /** What the network makes of a packet, such as a NAT; null loses it. */
  wire: (packet: Buffer, fromA: boolean) => Buffer | null = (packet) => packet;
  packets: Buffer[] = [];

  /** `seed` makes what both draw repeat itself; without it is random. `more` is CONFIG for both. */
  constructor(pskA = "secret", pskB = "secret", seed?: number, more: Item[] = []) {
    const entropy = (side: number): Uint8Array | undefined =>
      seed === undefined ? undefined : createHash("sha512").update(`${seed} ${side}`).digest();
    this.a = new Endpoint([192, 0, 2, 1], pskA, entropy(1), more);
    this.b = new Endpoint([192, 0, 2, 2], pskB, entropy(2), more);
  }

  step(): boolean {
    this.a.poll(this.time);
    this.b.poll(this.time);
    let moved = false;
    for (const [from, to] of [
      [this.a, this.b],
      [this.b, this.a],
    ]) {
      for (const packet of from.sent.splice(0)) {
        moved = true;
        this.packets.push(packet);
        const arrives = this.lose(packet, this.packets.length) ? null : this.wire(packet, from === this.a);
        if (arrives) to.push(R.PORT_UNPROTECTED, arrives);
      }
    }
    return moved;
  }

  /** Runs until nothing moves; then lets the clock jump to deadlines for `seconds`. */
  drive(seconds = 0): void {
    const end = this.time + BigInt(seconds) * 1_000_000_000n;
    for (;;) {
      let idle = 0;
      while (idle < 6) idle = this.step() ? 0 : idle + 1;
      const next = [this.a, this.b].map((e) => e.u64(e.map + B.REG_DEADLINE)).reduce((x, y) => (x < y ? x : y));
      if (next > end) break;
      this.time = next > this.time ? next : this.time + 1_000_000n;
    }
    this.time = end;
  }
}

function transform(type: number, id: number, bits = 0): Buffer {
  const t = Buffer.alloc(8);
  t[0] = type;
  t.writeUInt16LE(id, 2);
  t.writeUInt16LE(bits, 4);
  return t;
}

export function selector(start: number[], end: number[]): Buffer {
  const s = Buffer.alloc(40);
  s[0] = 4;
  s.writeUInt16LE(65535, 4);
  Buffer.from(start).copy(s, 8);
  Buffer.from(end).copy(s, 24);
  return s;
}

/** A packet as if it came from elsewhere. */
export function from(packet: Buffer, address: number[], port: number): Buffer {
  const out = Buffer.from(packet);
  Buffer.from(address).copy(out, 12);
  out.writeUInt16BE(port, 20);
  return summed(out);
}

/** A packet as if it went to elsewhere. */
export function to(packet: Buffer, address: number[], port: number): Buffer {
  const out = Buffer.from(packet);
  Buffer.from(address).copy(out, 16);
  out.writeUInt16BE(port, 22);
  return summed(out);
}

/** Makes the IPv4 header's checksum right. */
export function summed(packet: Buffer): Buffer {
  packet.writeUInt16BE(0, 10);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += packet.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  packet.writeUInt16BE(~sum & 0xffff, 10);
  return packet;
}

export interface Options {
  ke?: number[];
  childKe?: number;
  keyBits?: number;
  encap?: boolean;
  start?: number;
  childRekey?: number;
  childLife?: number;
  dpd?: number;
  dpdAction?: number;
  closeAction?: number;
  rekey?: number;
  over?: number;
  localTs?: Buffer[];
  remoteTs?: Buffer[];
  /** Makes identities longer. */
  idTail?: string;
  fragmentation?: number;
  childless?: number;
  /** An additional key exchange (RFC 9370), of the IKE_SA and of its child. */
  additional?: number;
  /** Rounds of authentication (RFC 4739). */
  rounds?: number;
  reauth?: number;
  unique?: number;
  /** Names of the connection and of its children. */
  name?: string;
  children?: string[];
  /** Further items, of the connection and of every child. */
  more?: Item[];
  moreChild?: Item[];
  /** Default no. */
  mobike?: boolean;
  /** Addresses of the peer's, if they are others than usual; none: any. */
  remote?: number[][];
  /** MODE_*. */
  childMode?: number;
  /** AH: its integrity transforms. */
  ah?: number[];
  esn?: boolean;
}

/** The connection "gw" with the child "net", or those of `children`, as `mine` (1 or 2) sees it. */
export function connection(mine: number, o: Options = {}): Item[] {
  const peer = 3 - mine;
  const id = (n: number): Buffer => Buffer.concat([Buffer.from([2]), Buffer.from(`gw${n}.example${o.idTail ?? ""}`)]);
  const additional = o.additional ? [transform(6, o.additional)] : [];
  const net = (n: number, i: number): Buffer => selector([10, n, 16 * i, 0], [10, n, 16 * i + 15, 255]);
  return [
    [M.CONNECTION_NAME, Buffer.from(o.name ?? "gw")],
    ...(o.remote ?? [[192, 0, 2, peer]]).map((a): Item => [M.CONNECTION_REMOTE_ADDRESS, Buffer.from(a)]),
    [M.CONNECTION_MOBIKE, o.mobike ? 1 : 0],
    [
      M.CONNECTION_PROPOSAL,
      Buffer.concat([
        transform(1, 20, 256),
        transform(2, 6),
        ...(o.ke ?? [31]).map((k) => transform(4, k)),
        ...additional,
      ]),
    ],
    ...Array.from({ length: o.rounds ?? 1 }, (): Item[] => [
      [M.CONNECTION_LOCAL_AUTH, Buffer.from(Uint32Array.of(M.AUTH_SHARED_KEY, 0).buffer)],
      [M.CONNECTION_LOCAL_ID, id(mine)],
      [M.CONNECTION_REMOTE_AUTH, Buffer.from(Uint32Array.of(M.AUTH_SHARED_KEY, 0).buffer)],
      [M.CONNECTION_REMOTE_ID, id(peer)],
    ]).flat(),
    [M.CONNECTION_ENCAP, o.encap ? 1 : 0],
    [M.CONNECTION_CHILDLESS, o.childless ?? M.CHILDLESS_ALLOW],
    [M.CONNECTION_FRAGMENTATION, o.fragmentation ?? M.FRAGMENTATION_YES],
    [M.CONNECTION_DPD_DELAY, o.dpd ?? 0],
    [M.CONNECTION_REKEY_TIME, o.rekey ?? 0],
    [M.CONNECTION_OVER_TIME, o.over ?? 0],
    [M.CONNECTION_REAUTH_TIME, o.reauth ?? 0],
    [M.CONNECTION_UNIQUE, o.unique ?? M.UNIQUE_NO],
    ...(o.more ?? []),
    ...(o.children ?? ["net"]).flatMap((name, i): Item[] => [
      [M.CHILD_NAME, Buffer.from(name)],
      [M.CHILD_PROTOCOL, o.ah ? 51 : 50],
      [
        M.CHILD_PROPOSAL,
        Buffer.concat([
          ...(o.ah ? o.ah.map((id) => transform(3, id)) : [transform(1, 20, o.keyBits ?? 128)]),
          ...(o.childKe ? [transform(4, o.childKe), ...additional] : []),
          transform(5, o.esn ? 1 : 0),
        ]),
      ],
      ...(o.localTs ?? [net(mine, i)]).map((t): Item => [M.CHILD_LOCAL_TS, t]),
      ...(o.remoteTs ?? [net(peer, i)]).map((t): Item => [M.CHILD_REMOTE_TS, t]),
      [M.CHILD_REKEY_TIME, o.childRekey ?? 0],
      [M.CHILD_START_ACTION, o.start ?? 0],
      [M.CHILD_LIFE_TIME, o.childLife ?? 0],
      [M.CHILD_DPD_ACTION, o.dpdAction ?? 0],
      [M.CHILD_CLOSE_ACTION, o.closeAction ?? 0],
      [M.CHILD_MODE, o.childMode ?? 0],
      ...(o.moreChild ?? []),
    ]),
  ];
}

/** Two cores with a configuration each, of which a has been told to bring the child "net" up; `prepare` comes before anything is sent. */
export function initiated(a: Options, b: Options, prepare: (p: Pair) => void = () => undefined): Pair {
  const p = new Pair("secret", "secret");
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, a));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, b));
  prepare(p);
  p.drive();
  p.a.command(M.MANAGEMENT_INITIATE, [[M.CHILD_NAME, Buffer.from("net")]]);
  p.drive(1);
  return p;
}
