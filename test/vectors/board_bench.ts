/**
 * A board on the bench: one image, one Board of the chassis with conservation checked after every poll, and a secure element
 * at its port. Packets go in; whatever the board does with them, it must not trap and its books must balance.
 */
import { randomBytes } from "node:crypto";
import {
  BOARD_CLASS_IKE,
  BOARD_CLASS_IPSEC,
  REG_CONSUMED,
  REG_DROPPED,
  REG_ENTROPY_OCTETS,
  REG_IN,
} from "../../assembly/abi/board.ts";
import {
  CONFIG_CONTROL_KEY,
  CONFIG_IKE_SLOT,
  CONFIG_LINK_KIND,
  CONFIG_LOCAL_ADDRESS,
  CONFIG_SA_CAPACITY,
} from "../../assembly/abi/config.ts";
import { FABRIC_IPV4_PREFIX, FABRIC_VCI_BASE, LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/management.ts";
import {
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_COUNT_IPSEC,
  PORT_MANAGEMENT,
  PORT_PROTECTED,
  PORT_SECURE_ELEMENT,
  PORT_UNPROTECTED,
} from "../../assembly/abi/ring.ts";
import { Board, DELIVERED, RING_FULL } from "../../host/chassis/board.ts";
import { addressOctets, encodeItems, type ConfigItem } from "../../host/chassis/config.ts";
import { type Build, type Image, loadImage } from "../../host/chassis/image.ts";
import { SecureElement } from "../../host/secure_element/secure_element.ts";

export const LOCAL = "192.0.2.1";
export const PEER = "192.0.2.2";
const IKE_SLOT = 0;
const IPSEC_SLOT = 1;
const CONTROL_KEY_OCTETS = 32;
const POLLS_MAX = 10_000;
const BATCH = 64;
/** Time between batches: 10 ms, so that time-outs and retransmissions take part. */
const STEP = 10_000_000n;

export type BoardName = "ike" | "ipsec";

export class BoardBench {
  readonly name: BoardName;
  readonly build: Build;
  readonly link: "ethernet" | "atm";
  readonly #image: Image;
  #board!: Board;
  #element!: SecureElement;
  #now = 0n;
  #queued = 0;
  #requests: Uint8Array[] = [];
  #replies: Uint8Array[] = [];
  transmitted = 0;

  /** Throws when there is no image, or when the board does not come online. */
  constructor(name: BoardName, build: Build, link: "ethernet" | "atm") {
    this.name = name;
    this.build = build;
    this.link = link;
    this.#image = loadImage(name, { force: build });
  }

  /** Powers a new board. */
  async power(): Promise<void> {
    this.#now = 1_000_000_000n;
    this.#queued = 0;
    this.#requests = [];
    this.#element = new SecureElement();
    this.#element.loadSecrets([{ identities: [], secret: new TextEncoder().encode("a shared secret") }]);
    const items: ConfigItem[] = [
      { type: CONFIG_LINK_KIND, value: this.link === "atm" ? LINK_ATM : LINK_ETHERNET },
      { type: CONFIG_IKE_SLOT, value: IKE_SLOT },
      { type: CONFIG_LOCAL_ADDRESS, value: addressOctets(LOCAL) },
      { type: CONFIG_SA_CAPACITY, value: 64 },
    ];
    if (this.name === "ipsec") items.push({ type: CONFIG_CONTROL_KEY, value: randomBytes(CONTROL_KEY_OCTETS) });
    this.#board = new Board(
      this.#image,
      {
        slot: this.name === "ike" ? IKE_SLOT : IPSEC_SLOT,
        generation: 1,
        boardClass: this.name === "ike" ? BOARD_CLASS_IKE : BOARD_CLASS_IPSEC,
        config: encodeItems(items),
        entropy: randomBytes(REG_ENTROPY_OCTETS),
        traceMask: 0,
        conservation: true,
      },
      this.#now,
      BigInt(Date.now()) * 1_000_000n,
    );
    if (this.name === "ike") await this.#configure();
  }

  /** Loads a connection that answers anybody, and announces an IPsec board. */
  async #configure(): Promise<void> {
    const transform = (type: number, id: number, bits = 0): number[] => [
      type,
      0,
      id & 255,
      id >>> 8,
      bits & 255,
      bits >>> 8,
      0,
      0,
    ];
    const any = new Uint8Array(40);
    any.set([4, 0, 0, 0, 0xff, 0xff]);
    any.fill(255, 24, 28);
    const name = new TextEncoder().encode("bench");
    const body = encodeItems([
      { type: M.CONNECTION_NAME, value: name },
      {
        type: M.CONNECTION_PROPOSAL,
        value: Uint8Array.from([
          ...transform(1, 20, 128),
          ...transform(1, 20, 256),
          ...transform(2, 5),
          ...transform(4, 31),
          ...transform(4, 19),
        ]),
      },
      { type: M.CONNECTION_LOCAL_ID, value: Uint8Array.from([2, ...new TextEncoder().encode("bench")]) },
      { type: M.CHILD_NAME, value: name },
      { type: M.CHILD_PROPOSAL, value: Uint8Array.from([...transform(1, 20, 128), ...transform(5, 0)]) },
      { type: M.CHILD_LOCAL_TS, value: any },
      { type: M.CHILD_REMOTE_TS, value: any },
    ]);
    const reply = await this.command(M.MANAGEMENT_CONNECTION_LOAD, body);
    const result = reply?.readUInt32LE(M.MANAGEMENT_HEADER);
    if (result !== M.RESULT_OK) throw new Error(`the IKE board does not load a connection: result ${result}`);
    const up = Buffer.alloc(12 + CONTROL_KEY_OCTETS);
    up.writeUInt32LE(IPSEC_SLOT, 0);
    up.writeUInt32LE(1, 4);
    up.writeUInt32LE(64, 8);
    randomBytes(CONTROL_KEY_OCTETS).copy(up, 12);
    await this.command(M.MANAGEMENT_BOARD_UP, up);
  }

  /** Sends a management message; the reply to it, if one came. */
  async command(type: number, body: Uint8Array): Promise<Buffer | undefined> {
    const message = Buffer.alloc(M.MANAGEMENT_HEADER + body.length);
    message.writeUInt16LE(type, M.MANAGEMENT_TYPE);
    message.writeUInt32LE(7, M.MANAGEMENT_TRANSACTION);
    message.writeUInt32LE(message.length, M.MANAGEMENT_LENGTH);
    message.set(body, M.MANAGEMENT_HEADER);
    this.#replies = [];
    await this.push(PORT_MANAGEMENT, message);
    await this.settle();
    const reply = this.#replies.find((candidate) => candidate[0] === M.MANAGEMENT_REPLY);
    return reply && Buffer.from(reply);
  }

  /** Delivers a packet to a port; polls when a batch is together. */
  async push(port: number, packet: Uint8Array): Promise<void> {
    const link = port === PORT_CHANNEL && this.link === "atm" ? FABRIC_VCI_BASE + IPSEC_SLOT : 0;
    for (let attempt = 0; ; attempt++) {
      const outcome = this.#board.deliver(port, packet, 0, packet.length, link);
      if (outcome === DELIVERED) break;
      if (outcome !== RING_FULL || attempt > 0) throw new Error(`port ${port} does not take ${packet.length} octets`);
      await this.settle();
    }
    if (++this.#queued >= BATCH) await this.settle();
  }

  /** Polls until the board is content, serves its secure element port, and lets time pass. */
  async settle(): Promise<void> {
    this.#queued = 0;
    this.#now += STEP;
    for (let polls = 0; polls < POLLS_MAX; polls++) {
      if (this.#board.wantsPoll || polls === 0) this.#board.poll(this.#now, this.#now);
      this.#board.drain((port, ram, start, length) => {
        if (port === PORT_SECURE_ELEMENT) this.#requests.push(ram.slice(start, start + length));
        else if (port === PORT_MANAGEMENT) this.#replies.push(ram.slice(start, start + length));
        else this.transmitted++;
      });
      for (const request of this.#requests.splice(0)) {
        const answer = await this.#element.handle(request);
        if (this.#board.deliver(PORT_SECURE_ELEMENT, answer, 0, answer.length, 0) !== DELIVERED) {
          this.#board.poll(this.#now, this.#now);
        }
      }
      if (!this.#board.wantsPoll) return;
    }
    throw new Error("the board never comes to rest");
  }

  /** Packets that came in and that ended here, as the board counts them. */
  get counts(): { in: number; consumed: number; dropped: number } {
    const map = Buffer.from(this.#board.map);
    const read = (register: number): number => Number(map.readBigUInt64LE(register));
    return { in: read(REG_IN), consumed: read(REG_CONSUMED), dropped: read(REG_DROPPED) };
  }

  get ports(): number {
    return this.name === "ike" ? PORT_COUNT_IKE : PORT_COUNT_IPSEC;
  }

  /** The same packet in every way in: both NIC sides, and the internal path with and without a capsule. */
  async pushEverywhere(packet: Uint8Array): Promise<void> {
    await this.push(PORT_UNPROTECTED, packet);
    await this.push(PORT_PROTECTED, packet);
    await this.push(PORT_CHANNEL, packet);
    await this.push(PORT_CHANNEL, this.capsule(packet));
  }

  /** The packet as the other board would send it over the internal path. */
  capsule(packet: Uint8Array): Buffer {
    const version = (packet[0] ?? 0) >>> 4;
    const type = version === 6 ? [0x86, 0xdd] : [0x08, 0x00];
    if (this.link === "atm") return Buffer.concat([Buffer.from([0xaa, 0xaa, 3, 0, 0, 0, ...type]), packet]);
    const [from, to] = this.name === "ike" ? [IPSEC_SLOT, IKE_SLOT] : [IKE_SLOT, IPSEC_SLOT];
    const ethernet = Buffer.from([2, 0x43, 0x43, 0, 0, to, 2, 0x43, 0x43, 0, 0, from, 8, 0]);
    const protocol = version === 6 ? 41 : 4;
    const address = (slot: number): string =>
      [24, 16, 8, 0].map((shift) => ((FABRIC_IPV4_PREFIX + slot) >>> shift) & 255).join(".");
    return Buffer.concat([ethernet, ipv4(address(from), address(to), protocol, packet)]);
  }

  close(): void {
    this.#element.close();
    this.#board.wipe();
  }
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (let i = 0; i < header.length; i += 2) sum += header.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An IPv4 packet around a payload. */
export function ipv4(source: string, destination: string, protocol: number, payload: Uint8Array): Buffer {
  const packet = Buffer.alloc(20 + payload.length);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[6] = 0x40;
  packet[8] = 64;
  packet[9] = protocol;
  packet.set(addressOctets(source), 12);
  packet.set(addressOctets(destination), 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet.set(payload, 20);
  return packet;
}

/** UDP in IPv4 from the peer to us; the UDP checksum is 0 (none). */
export function datagram(port: number, payload: Uint8Array): Buffer {
  const udp = Buffer.alloc(8 + payload.length);
  udp.writeUInt16BE(port, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.set(payload, 8);
  return ipv4(PEER, LOCAL, 17, udp);
}

/** The packet with our address as its destination, so that it is not dropped for that alone. */
export function redirected(packet: Buffer): Buffer {
  const copy = Buffer.from(packet);
  const header = (copy[0]! & 15) * 4;
  if (copy.length < 20 || copy[0]! >>> 4 !== 4 || header < 20 || header > copy.length) return copy;
  copy.set(addressOctets(LOCAL), 16);
  copy.writeUInt16BE(0, 10);
  copy.writeUInt16BE(checksum(copy.subarray(0, header)), 10);
  return copy;
}
