/**
 * What every story needs: two gateways on a cable, hosts that send, an observer on the WAN, and at the end the books.
 *
 * A packet that arrives must be octet-equal to one sent and arrive once; on the WAN there is only IKE and ESP, with nothing in
 * clear; what arrives was sent by an IPsec board (S706). At the end no board has a fault that the story did not make, and
 * every board's frames add up.
 */
import * as assert from "uvu/assert";
import { Pair, type PairOptions, type Site, type SiteName } from "../../host/demo/pair.ts";
import { SeededEntropy } from "../../host/chassis/entropy.ts";
import type { ChildSas } from "../../host/operator/sas.ts";
import {
  type Address,
  clearPacket,
  clearPacket6,
  PATTERN,
  smallest,
  type Transport,
  type WanKind,
  wanKind,
} from "./packets.ts";

export const LINKS = [
  { moon: "ethernet", sun: "atm" },
  { moon: "atm", sun: "ethernet" },
] as const;
/** The same and cell mode: for stories that say something of the backplane itself. */
export const LINKS_AND_CELLS = [...LINKS, { moon: "atm-cell", sun: "atm-cell" }] as const;

const NET: Record<SiteName, number> = { moon: 1, sun: 2 };
const TRANSPORTS: readonly Transport[] = ["udp", "tcp", "icmp"];

/** 20 (a bare header is a packet, too) to 1400, odd ones among them. */
export const SIZES = [20, 21, 28, 41, 57, 64, 99, 127, 255, 333, 512, 777, 1023, 1280, 1399, 1400];

export interface Seen {
  packet: Uint8Array;
  from: "a" | "b";
  kind: WanKind;
}

export interface StoryOptions extends PairOptions {
  seed?: number;
  /** Faults of boards that the story makes. */
  faults?: boolean;
  /** A transform that authenticates only: packets are legible on the WAN. */
  legible?: boolean;
}

const hex = (packet: Uint8Array): string => Buffer.from(packet).toString("hex");

/**
 * SAs that the boards of a story have room for, unless it says otherwise. A gateway of thousands has its tables written at each power-on
 * and wiped at each reset: hundreds of megabytes, several times a story, which would take a third of the time and tell nothing.
 */
const CAPACITY = { ikeSaCapacity: 256, childSaCapacity: 512, saCapacity: 512 };
/** For stories that show what a gateway has by default. */
export const GATEWAYS_OWN = { ikeSaCapacity: undefined, childSaCapacity: undefined, saCapacity: undefined };

export class Story {
  readonly pair: Pair;
  readonly seen: Seen[] = [];
  /** Sent by the hosts of a site, in order, and not yet accounted for. */
  readonly #sent: Record<SiteName, Uint8Array[]> = { moon: [], sun: [] };
  /** To each site, what had not arrived when it was accounted for. */
  readonly #overdue: Record<SiteName, Set<string>> = { moon: new Set(), sun: new Set() };
  #serial = 0;
  /** Changes packets on the cable, before they are seen: a NAT. */
  alter: (packet: Uint8Array, from: "a" | "b") => void = () => undefined;
  /** Takes packets off the cable after they were seen. */
  pass: (seen: Seen) => boolean = () => true;
  readonly offences: string[] = [];

  constructor(options: PairOptions, legible = false) {
    this.pair = new Pair({ ...options, chassis: { ...CAPACITY, ...options.chassis } });
    this.pair.wan.filter = (packet, from) => {
      this.alter(packet, from);
      const seen: Seen = { packet: packet.slice(), from, kind: wanKind(packet) };
      this.seen.push(seen);
      if (seen.kind === "other") this.offences.push(`on the WAN: ${hex(packet)}`);
      if (!legible && Buffer.from(packet).includes(PATTERN)) this.offences.push(`in clear on the WAN: ${hex(packet)}`);
      return this.pass(seen);
    };
  }

  get moon(): Site {
    return this.pair.moon;
  }

  get sun(): Site {
    return this.pair.sun;
  }

  other(site: Site): Site {
    return site === this.moon ? this.sun : this.moon;
  }

  /** A host behind `site` sends a packet through the tunnel of that net. */
  send(site: Site, net: number, octets = 200, transport?: Transport): Uint8Array {
    const { packet, taken } = this.offer(site, net, octets, transport);
    assert.ok(taken, "the chassis takes a clear packet");
    return packet;
  }

  /** The same to a chassis that may have nobody to take it. */
  offer(site: Site, net: number, octets = 200, transport?: Transport): { packet: Uint8Array; taken: boolean } {
    const serial = ++this.#serial;
    const chosen = transport ?? (octets < 41 ? "bare" : TRANSPORTS[serial % TRANSPORTS.length]!);
    const from: Address = [10, NET[site.name], net, 1 + (serial % 200)];
    const to: Address = [10, NET[this.other(site).name], net, 7];
    const packet = clearPacket(chosen, from, to, Math.max(octets, smallest(chosen)), serial);
    this.#sent[site.name].push(packet);
    return { packet, taken: site.send(packet) };
  }

  /** The same with IPv6 and UDP. */
  send6(site: Site, net: number, octets = 200): Uint8Array {
    const packet = clearPacket6([NET[site.name], net], [NET[this.other(site).name], net], octets, ++this.#serial);
    this.#sent[site.name].push(packet);
    assert.ok(site.send(packet), "the chassis takes a clear packet");
    return packet;
  }

  /** Packets of all sizes, both ways, through all nets; then `milliseconds` to arrive. */
  async exchange(
    nets: readonly number[] = [1, 2],
    sizes: readonly number[] = SIZES,
    milliseconds = 200,
  ): Promise<void> {
    for (const octets of sizes) {
      for (const net of nets) {
        this.send(this.moon, net, octets);
        this.send(this.sun, net, octets);
      }
      await this.pair.drive.run(1);
    }
    await this.pair.drive.until(() => this.#arrivedAll(), milliseconds);
  }

  #arrivedAll(): boolean {
    return this.sun.received.length >= this.#sent.moon.length && this.moon.received.length >= this.#sent.sun.length;
  }

  /**
   * Accounts for the traffic since the last account: what arrived was sent, once, by an IPsec board; with `whole` all of it
   * arrived, and with `ordered` in order per net. Gives what is missing; that may still come, once, on a machine that is slow.
   */
  account(what: { whole?: boolean; ordered?: boolean } = {}): number {
    let missing = 0;
    for (const site of [this.moon, this.sun]) {
      const sent = this.#sent[this.other(site).name];
      const place = new Map(sent.map((packet, i) => [hex(packet), i]));
      const arrived = new Set<number>();
      const last = new Map<number, number>();
      for (const { packet, slot } of site.received) {
        const at = place.get(hex(packet));
        if (at === undefined && this.#overdue[site.name].delete(hex(packet))) continue;
        assert.ok(at !== undefined, `${site.name}: what arrives was sent: ${hex(packet)}`);
        assert.not.ok(arrived.has(at!), `${site.name}: nothing arrives twice`);
        arrived.add(at!);
        assert.is.not(slot, site.chassis.ikeSlot, `${site.name}: S706, the IPsec board sends`);
        const net = packet[0]! >>> 4 === 6 ? packet[13]! : packet[14]!;
        if (what.ordered) assert.ok(at! > (last.get(net) ?? -1), `${site.name}: in order`);
        last.set(net, at!);
      }
      missing += sent.length - arrived.size;
      for (const [packet, at] of place) if (!arrived.has(at)) this.#overdue[site.name].add(packet);
      if (what.whole) assert.is(arrived.size, sent.length, `${site.name}: all arrive; ${this.#dropsText()}`);
      site.received.length = 0;
      sent.length = 0;
    }
    return missing;
  }

  /** Everything arrives, in order, now. */
  async flows(nets: readonly number[] = [1, 2]): Promise<void> {
    await this.exchange(nets, [64, 201, 1400], 2000);
    this.account({ whole: true, ordered: true });
  }

  /** A packet each way per net is on its way until all arrive; true when they did in time. */
  async recovers(milliseconds: number, nets: readonly number[] = [1, 2]): Promise<boolean> {
    const { drive } = this.pair;
    const end = drive.clock.now() + BigInt(milliseconds) * 1_000_000n;
    while (drive.clock.now() < end) {
      for (const net of nets) {
        this.send(this.moon, net, 100);
        this.send(this.sun, net, 100);
      }
      await drive.run(200);
      if (this.account() === 0) return true;
    }
    return false;
  }

  async establish(milliseconds = 30_000, children = 2): Promise<void> {
    assert.ok(await this.pair.establish(milliseconds, children), `established; ${this.#dropsText()}`);
  }

  #dropsText(): string {
    const drops = (site: Site): string => `${site.name} ${JSON.stringify(site.chassis.show().drops)}`;
    return `drops: ${drops(this.moon)}, ${drops(this.sun)}`;
  }

  drop(site: Site, name: string): number {
    return site.chassis.show().drops[name] ?? 0;
  }

  /** CHILD_SAs of a site, by name. */
  async children(site: Site): Promise<ChildSas[]> {
    const sas = await site.gateway.sas();
    return sas.flatMap((ike) => ike["child-sas"]).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Both ends hold the same SAs, the inbound ones of one being the outbound ones of the other. Gives moon's. */
  async mirrored(count = 2): Promise<ChildSas[]> {
    const moon = await this.children(this.moon);
    const sun = await this.children(this.sun);
    for (const children of [moon, sun]) {
      assert.equal(
        children.map(({ state }) => state),
        Array(count).fill("INSTALLED"),
      );
    }
    assert.equal(
      moon.map((child) => [child.name, child["spi-in"], child["spi-out"]]),
      sun.map((child) => [child.name, child["spi-out"], child["spi-in"]]),
    );
    return moon;
  }

  alerts(site: Site): string[] {
    return site.events.flatMap((event) => (event.kind === "alert" && "text" in event ? [event.text ?? ""] : []));
  }

  count(kind: WanKind): number {
    return this.seen.filter((seen) => seen.kind === kind).length;
  }

  /** The end of every story: no offence, no fault that was not made, and the books of every board balance. */
  end(faultsMade = false): void {
    assert.equal(this.offences, []);
    for (const { chassis, gateway } of [this.moon, this.sun]) {
      if (!faultsMade)
        assert.equal(
          chassis.faults.map(({ slot, message }) => ({ slot, message })),
          [],
        );
      assert.is(gateway.malformed, 0);
      for (const { slot, counters, frames, drops, state } of chassis.show().slots) {
        if (state !== "Online") continue;
        const came = counters.in + counters.originated;
        const went = counters.sent + counters.consumed + counters.dropped + frames.held;
        // An IPsec board keeps none from one poll to the next: a forgotten one would be here.
        if (slot !== chassis.ikeSlot) assert.is(frames.held, 0, `slot ${slot}: an IPsec board holds no frame`);
        assert.is(came, went, `slot ${slot}: IN + ORIGINATED = SENT + CONSUMED + DROPPED + HELD`);
        const reasons = Object.values(drops).reduce((sum, n) => sum + n, 0);
        assert.is(reasons, counters.dropped, `slot ${slot}: every drop has its reason`);
      }
    }
  }
}

/** Runs a story to its end; a failure names the seed. */
export async function tell(options: StoryOptions, tale: (story: Story) => Promise<void>): Promise<void> {
  const { seed = 1, faults = false, legible = false, ...pair } = options;
  const story = new Story(
    {
      ...pair,
      cable: { seed, ...pair.cable },
      // In threads, too, the books are read after every poll.
      chassis: { entropy: new SeededEntropy(seed), conservation: true, ...pair.chassis },
    },
    legible,
  );
  try {
    await story.pair.start();
    await tale(story);
    // Threaded boards may still be moving frames: the books are read at rest.
    await story.pair.drive.run(20);
    story.end(faults);
  } catch (error) {
    if (error instanceof Error) error.message += ` (seed ${seed})`;
    throw error;
  } finally {
    await story.pair.close();
  }
}

/** The same without MOBIKE, so that all of IKE goes by port 500 where there is no NAT. */
export const tellAtPort500: typeof tell = (options, story) => {
  const { connection } = options;
  const fixed = (text = ""): string => `${text}\n mobike = no`;
  return tell({ ...options, connection: { moon: fixed(connection?.moon), sun: fixed(connection?.sun) } }, story);
};
