/**
 * A fuzz campaign against the IKE port: two cores that negotiate with each other, and a fuzzer between them that holds the keys
 * of both, so that what it changes is sealed as the peer would seal it.
 *
 *   in transit   messages are delivered as they are, changed, twice, late, or not at all
 *   crafted      a request or an answer that an IKE_SA waits for, of what was seen in any exchange, with something wrong
 *   outside      first messages from anywhere, whole ones with their outsides changed, and garbage
 *   beside       commands of the operator's, boards that refuse or say nothing, a secure element that is late or mute, time
 *
 * What must hold after every poll: no trap, the books of frames balance, no SA is installed twice or removed twice, half-open
 * responders keep to their share. From time to time all ends, and ending.ts looks at what is left. Inputs that reach a block of
 * firmware that nothing reached before are kept, and what is crafted is made of them. All choices follow from the seed.
 */
import * as M from "../../../assembly/abi/management.ts";
import { PORT_MANAGEMENT, PORT_SECURE_ELEMENT, PORT_UNPROTECTED } from "../../../assembly/abi/ring.ts";
import { SeededRandom } from "../../../host/chassis/entropy.ts";
import { encodeMessage, textValue } from "../../../host/operator/management.ts";
import { MUTATIONS, randomOctets } from "../mutation.ts";
import {
  addressOf,
  CAPACITY,
  CHILDREN,
  childOf,
  configuration,
  CONNECTIONS,
  connections,
  type Side,
} from "./connections.ts";
import { Broken, Core, type SaLook } from "./core.ts";
import { Corpus } from "./corpus.ts";
import { Element } from "./element.ts";
import * as Message from "./message.ts";
import { mutateChain, pick, type Pool } from "./mutation.ts";

const IKE_STATE_FREE = 0;
const FLAG_INITIATOR = 0x08;
const FLAG_RESPONSE = 0x20;
const SECOND = 1_000_000_000n;
/** Messages under way at most; the oldest is lost. */
const TRANSIT_MAX = 48;
/** Messages between two changes of the weather. */
const WEATHER = 400;
const EXCHANGES = [34, 35, 36, 37, 38, 43, 44, 0, 33, 45, 240];
const REMEMBERED = 64;

interface Parcel {
  to: Side;
  packet: Buffer;
}

export interface Options {
  seed: number;
  module: WebAssembly.Module;
  /** Where the counters of blocks lie in each core's RAM, and how many; none: inputs are not judged. */
  counters?: { at: number; count: number };
}

export class Campaign {
  readonly cores: readonly [Core, Core];
  readonly elements: readonly [Element, Element];
  readonly corpus: Corpus;
  readonly last: string[] = [];
  readonly #random: SeededRandom;
  readonly #transit: Parcel[] = [];
  /** Answers of the secure element that are late. */
  readonly #late: { to: Side; answer: Buffer }[] = [];
  readonly #firsts: Buffer[] = [];
  messages = 0;
  sealed = 0;
  /** How much is changed on the way, in hundredths, and how often the element is late. */
  #changed = 0;
  #lateness = 0;
  #spoofed = 1;

  constructor(options: Options) {
    const { seed, module } = options;
    this.#random = new SeededRandom(seed);
    const core = (side: Side): Core => {
      const made = new Core(side === 0 ? "a" : "b", module, `${seed} ${side}`, CAPACITY.ikeSas, configuration(side));
      for (const message of connections(side)) {
        made.push(PORT_MANAGEMENT, message);
        made.poll();
      }
      return made;
    };
    this.cores = [core(0), core(1)];
    this.elements = [new Element(`${seed} 0`), new Element(`${seed} 1`)];
    this.corpus = new Corpus(this.#random, this.cores, options.counters);
  }

  /** Lets a core go on, and takes what it has made of it. */
  poll(side: Side): void {
    const core = this.cores[side];
    core.poll();
    for (const request of core.pull(PORT_SECURE_ELEMENT)) {
      const late = this.#random.below(100) < this.#lateness;
      if (late && this.#random.below(20) === 0) {
        this.elements[side].lose(request);
        continue;
      }
      const answer = this.elements[side].answer(request);
      if (late) this.#late.push({ to: side, answer });
      else core.push(PORT_SECURE_ELEMENT, answer);
    }
    core.pull(PORT_MANAGEMENT);
    for (const packet of core.pull(PORT_UNPROTECTED)) {
      if (this.#transit.length >= TRANSIT_MAX) this.#transit.shift();
      this.#transit.push({ to: this.#whose(packet, side), packet });
    }
    const { halfOpen } = core;
    if (halfOpen > CAPACITY.ikeSas >> 2) throw new Broken(`${core.name}: ${halfOpen} half-open responders`);
  }

  /** The side that an address is of; what goes elsewhere is given to whoever is not the sender. */
  #whose(packet: Buffer, from: Side): Side {
    const to = packet[19]!;
    if (to >= 10 && to < 20) return 0;
    return to >= 20 && to < 30 ? 1 : ((1 - from) as Side);
  }

  /** Both go on until nothing is to be done at this time. */
  settle(): void {
    for (const side of [0, 1] as const) for (let n = 0; n < 3; n++) this.poll(side);
  }

  #remember(what: string, to: Side, content: string): void {
    this.last.push(`${what} to ${this.cores[to].name}: ${content}`);
    if (this.last.length > REMEMBERED) this.last.shift();
  }

  /** A datagram arrives. */
  #arrive(what: string, to: Side, packet: Buffer): void {
    this.#remember(what, to, packet.toString("hex"));
    this.messages += 1;
    this.cores[to].push(PORT_UNPROTECTED, packet);
    this.poll(to);
    // The element has answered: what waited for it goes on.
    this.poll(to);
  }

  command(side: Side, type: number, items: [number, Uint8Array][]): void {
    this.#remember(`command ${type}`, side, items.map(([, value]) => Buffer.from(value).toString()).join());
    this.cores[side].push(
      PORT_MANAGEMENT,
      encodeMessage(
        type,
        7,
        items.map(([t, value]) => ({ type: t, value })),
      ),
    );
    this.poll(side);
  }

  /** Any IKE_SA that a side holds and has keys for. */
  #alive(side: Side): SaLook | undefined {
    const from = this.#random.below(CAPACITY.ikeSas);
    for (let i = 0; i < CAPACITY.ikeSas; i++) {
      const sa = this.cores[side].sa((from + i) % CAPACITY.ikeSas);
      if (sa.state !== IKE_STATE_FREE && sa.encryption !== 0 && sa.spiI !== 0n && sa.spiR !== 0n) return sa;
    }
    return undefined;
  }

  #pool(side: Side): Pool {
    return {
      payload: () => this.corpus.payload(),
      spi: () => {
        const sas = [...this.cores[this.#random.below(2) as Side].installed.keys()];
        if (sas.length === 0) return randomOctets(this.#random, 4);
        const out = Buffer.alloc(4);
        out.writeUInt32BE(Number(pick(this.#random, sas).split(":")[0]), 0);
        return this.#random.below(16) === 0 ? Buffer.from([...out.subarray(0, 3), side]) : out;
      },
    };
  }

  /** The IKE_SA of the receiver that a message names, and the keys that the peer seals with. */
  #saOf(to: Side, header: Message.Header): SaLook | undefined {
    // Our SPIs carry the index in their last two octets.
    const own = (header.flags & FLAG_INITIATOR) !== 0 ? header.spiR : header.spiI;
    const index = Number(own & 0xffffn);
    if (index >= CAPACITY.ikeSas) return undefined;
    const sa = this.cores[to].sa(index);
    return sa.state !== IKE_STATE_FREE && (sa.initiator ? sa.spiI : sa.spiR) === own ? sa : undefined;
  }

  /** What is under way to a side, opened with the keys that it will be opened with; undefined: in clear, or of other keys. */
  #inside(to: Side, message: Buffer): { sa: SaLook; opened: Message.Opened } | undefined {
    const sa = this.#saOf(to, Message.readHeader(message));
    if (sa === undefined || sa.encryption === 0) return undefined;
    const opened = Message.openMessage(this.cores[to].keys(sa, false), message);
    return opened === undefined ? undefined : { sa, opened };
  }

  #deliver(): void {
    const random = this.#random;
    // Mostly in order.
    const at = random.below(4) === 0 ? random.below(this.#transit.length) : 0;
    const { to, packet } = this.#transit[at]!;
    const fate = random.below(100);
    if (fate >= 4) this.#transit.splice(at, 1);
    if (fate >= 97) return;
    const message = Message.messageIn(packet);
    if (message === undefined) return this.#arrive("keepalive", to, packet);
    if (message[18] === Message.EXCHANGE_IKE_SA_INIT && message[16] !== 0) this.#first(message);
    const inside = this.#inside(to, message);
    if (inside !== undefined && inside.opened.total === 1) {
      this.corpus.seen(message[18]!, (message[19]! & FLAG_RESPONSE) !== 0, inside.opened.first, inside.opened.content);
    }
    if (random.below(100) >= this.#changed) return this.#arrive("as it is", to, packet);
    if (inside !== undefined) this.#changedInside(to, message, inside.sa, inside.opened);
    else this.#changedOutside(to, message, packet);
    // The true one may come behind it.
    if (random.below(3) !== 0) this.#transit.push({ to, packet });
  }

  #first(message: Buffer): void {
    const response = (message[19]! & FLAG_RESPONSE) !== 0;
    this.corpus.seen(Message.EXCHANGE_IKE_SA_INIT, response, message[16]!, message.subarray(Message.IKE_HEADER));
    if (response) return;
    if (this.#firsts.length < 32) this.#firsts.push(message);
    else this.#firsts[this.#random.below(32)] = message;
  }

  /** A protected message with its inside changed. */
  #changedInside(to: Side, message: Buffer, sa: SaLook, opened: Message.Opened): void {
    const random = this.#random;
    const header = Message.readHeader(message);
    if (message[16] === Message.PAYLOAD_SKF && random.below(3) !== 0) {
      // One fragment of several: its piece, its number, or how many there are.
      const piece =
        random.below(2) === 0
          ? opened.content
          : pick(random, MUTATIONS)(opened.content.slice(), random, () => opened.content);
      const number = random.below(3) === 0 ? random.below(5) : opened.number;
      const total = random.below(3) === 0 ? random.below(40) : opened.total;
      const next = random.below(8) === 0 ? random.below(64) : opened.first;
      const keys = this.cores[to].keys(sa, false);
      return this.#sealedArrive(to, sa, [
        Message.sealedFragment(keys, header, next, number, total, piece.subarray(0, 7000)),
      ]);
    }
    const chain = Message.readChain(opened.first, opened.content);
    this.#protectedArrive(to, sa, header, mutateChain(chain, 1 + random.below(3), random, this.#pool(to)));
  }

  /** Seals what the peer would send on an IKE_SA, whole or in fragments. */
  #protectedArrive(to: Side, sa: SaLook, header: Message.Header, chain: Message.Payload[]): void {
    const random = this.#random;
    const keys = this.cores[to].keys(sa, false);
    const spoiled = { ...header };
    if (random.below(24) === 0) spoiled.id = pick(random, [0, header.id + 1, header.id - 1, 0xffffffff]);
    if (random.below(24) === 0) spoiled.exchange = pick(random, EXCHANGES);
    if (random.below(32) === 0) spoiled.flags ^= 1 << random.below(8);
    if (random.below(64) === 0) spoiled.version = random.below(256);
    if (random.below(12) === 0) {
      const octets = pick(random, [1, 16, 64, 200, 400]);
      const fragments = Message.sealedFragments(keys, spoiled, chain, octets);
      if (random.below(3) === 0) fragments.reverse();
      if (random.below(4) === 0) fragments.splice(random.below(fragments.length), 1);
      return this.#sealedArrive(to, sa, fragments.slice(0, 40), chain, spoiled);
    }
    const how: Message.Sealing = {};
    if (random.below(48) === 0) how.first = random.below(64);
    if (random.below(48) === 0) how.padLength = random.below(256);
    this.#sealedArrive(to, sa, [Message.sealedMessage(keys, spoiled, chain, how)], chain, spoiled);
  }

  #sealedArrive(to: Side, sa: SaLook, messages: Buffer[], chain?: Message.Payload[], header?: Message.Header): void {
    for (const message of messages) {
      this.sealed += 1;
      this.#arrive("sealed", to, this.#packet(sa, message));
    }
    if (chain !== undefined && header !== undefined)
      this.corpus.judge(header.exchange, (header.flags & FLAG_RESPONSE) !== 0, chain);
  }

  #packet(sa: SaLook, message: Buffer): Buffer {
    // Now and then from where a NAT has moved the peer to.
    const moved = this.#random.below(200) === 0;
    const port = moved ? 1024 + this.#random.below(60000) : sa.remotePort;
    return Message.datagram(message, sa.remote, port, sa.local, sa.localPort);
  }

  /** A message that an IKE_SA waits for, made of anything. */
  #craft(): void {
    const random = this.#random;
    const to = random.below(2) as Side;
    const sa = this.#alive(to);
    if (sa === undefined) return;
    const response = sa.outStep !== 0 && random.below(3) === 0;
    const { exchange, chain } = this.corpus.draw(response);
    const header: Message.Header = {
      spiI: sa.spiI,
      spiR: sa.spiR,
      version: 0x20,
      exchange,
      flags: (sa.initiator ? 0 : FLAG_INITIATOR) | (response ? FLAG_RESPONSE : 0),
      id: response ? sa.outId : sa.inId,
    };
    this.#protectedArrive(to, sa, header, mutateChain(chain, random.below(3), random, this.#pool(to)));
  }

  /** A message with its outside changed. */
  #changedOutside(to: Side, message: Buffer, packet: Buffer): void {
    const random = this.#random;
    if (message[18] === Message.EXCHANGE_IKE_SA_INIT && random.below(4) !== 0) {
      const chain = Message.readChain(message[16]!, message.subarray(Message.IKE_HEADER));
      const changed = mutateChain(chain, 1 + random.below(3), random, this.#pool(to));
      const out = Message.plainMessage(Message.readHeader(message), changed);
      if (out.length > 8000) return;
      const [from, at] = [packet.readUInt32BE(12), packet.readUInt32BE(16)];
      this.#arrive("first", to, Message.datagram(out, from, packet.readUInt16BE(20), at, packet.readUInt16BE(22)));
      return this.corpus.judge(Message.EXCHANGE_IKE_SA_INIT, (message[19]! & FLAG_RESPONSE) !== 0, changed);
    }
    const out = Buffer.from(packet);
    for (let n = 1 + random.below(4); n > 0; n--) {
      const at = 28 + random.below(Math.min(out.length - 28, 60));
      out[at] = random.below(2) === 0 ? random.below(256) : out[at]! ^ (1 << random.below(8));
    }
    this.#arrive("outside", to, out.subarray(0, out.length - (random.below(8) === 0 ? random.below(40) : 0)));
  }

  /** First messages from anywhere, as many as their senders like. */
  #spoof(): void {
    const random = this.#random;
    if (this.#firsts.length === 0) return;
    const message = Buffer.from(pick(random, this.#firsts));
    message.writeUInt32BE(this.#spoofed++, 0);
    const to = random.below(2) as Side;
    const connection = random.below(CONNECTIONS.length);
    const address = Buffer.from(addressOf(connection, to)).readUInt32BE(0);
    const from =
      random.below(2) === 0
        ? 0xc6336400 + random.below(256)
        : Buffer.from(addressOf(connection, (1 - to) as Side)).readUInt32BE(0);
    const chain = Message.readChain(message[16]!, message.subarray(Message.IKE_HEADER));
    const changed = random.below(2) === 0 ? chain : mutateChain(chain, 1 + random.below(2), random, this.#pool(to));
    const out = Message.plainMessage(Message.readHeader(message), changed);
    if (out.length <= 8000)
      this.#arrive("spoofed", to, Message.datagram(out, from, 500 + random.below(2), address, 500));
  }

  #garbage(): void {
    const random = this.#random;
    const to = random.below(2) as Side;
    const octets = randomOctets(random, random.below(random.below(8) === 0 ? 2000 : 80));
    if (random.below(4) === 0) return this.#arrive("garbage", to, Buffer.from(octets));
    const address = Buffer.from(addressOf(random.below(CONNECTIONS.length), to)).readUInt32BE(0);
    this.#arrive("garbage", to, Message.datagram(octets, 0xc6336401, 500, address, pick(random, [500, 4500])));
  }

  #operate(): void {
    const random = this.#random;
    const side = random.below(2) as Side;
    const name: [number, Uint8Array] =
      random.below(3) === 0
        ? [M.CONNECTION_NAME, textValue(pick(random, CONNECTIONS))]
        : [M.CHILD_NAME, textValue(pick(random, CHILDREN))];
    const kind = random.below(16);
    if (kind < 7) this.initiate(side, random.below(CONNECTIONS.length));
    else if (kind < 12) this.command(side, M.MANAGEMENT_REKEY, [name]);
    else if (kind < 14) this.command(side, M.MANAGEMENT_TERMINATE, [name]);
    else if (kind < 15) this.cores[side].acquire(random.below(CHILDREN.length));
    else this.command(side, M.MANAGEMENT_LIST_SAS, []);
  }

  initiate(side: Side, connection: number): void {
    this.command(side, M.MANAGEMENT_INITIATE, [[M.CHILD_NAME, textValue(childOf(connection))]]);
  }

  #weather(): void {
    const random = this.#random;
    this.#changed = pick(random, [0, 3, 10, 30]);
    this.#lateness = pick(random, [0, 0, 5, 30]);
    for (const core of this.cores) core.setBoards(random.below(8) < 6 ? 0 : random.below(3));
  }

  /** Late answers come, in any order. */
  answerLate(): void {
    while (this.#late.length > 0) {
      const [{ to, answer }] = this.#late.splice(this.#random.below(this.#late.length), 1) as [
        { to: Side; answer: Buffer },
      ];
      this.cores[to].push(PORT_SECURE_ELEMENT, answer);
      this.poll(to);
    }
  }

  advance(nanoseconds: bigint): void {
    const [a, b] = this.cores;
    a.time += nanoseconds;
    b.time = a.time;
    this.settle();
  }

  #wait(): void {
    const kind = this.#random.below(8);
    if (kind < 4) return this.advance(BigInt(1 + this.#random.below(50)) * 1_000_000n);
    if (kind < 6) return this.advance(BigInt(1 + this.#random.below(3)) * SECOND);
    if (kind < 7) return this.answerLate();
    this.advance(BigInt(this.#random.below(40)) * SECOND);
  }

  /** One thing more happens. */
  step(): void {
    if (this.messages % WEATHER === 0) this.#weather();
    const what = this.#random.below(100);
    if (what < 45 && this.#transit.length > 0) this.#deliver();
    else if (what < 72) this.#craft();
    else if (what < 78) this.#spoof();
    else if (what < 81) this.#garbage();
    else if (what < 91) this.#operate();
    else this.#wait();
  }

  /** Clear weather; messages are delivered as they are until nothing is under way. */
  calm(): void {
    this.#changed = 0;
    this.#lateness = 0;
    for (const core of this.cores) core.setBoards(0);
    this.answerLate();
  }

  flush(): void {
    for (let parcel = this.#transit.shift(); parcel; parcel = this.#transit.shift())
      this.#arrive("as it is", parcel.to, parcel.packet);
    this.settle();
  }

  get underWay(): number {
    return this.#transit.length;
  }

  /** What is under way is lost. */
  loseAll(): void {
    this.#transit.length = 0;
  }
}
