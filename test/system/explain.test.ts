/**
 * `explain` tells the truth: for random packets at random gateways, what it says of a packet is what happens to it when it comes, on
 * every board on its way: the drop that rises and where, the side and size that it leaves with and the slot that sends it, the
 * CHILD_SA whose counters move. And asking changes nothing.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeededEntropy, SeededRandom } from "../../host/chassis/entropy.ts";
import { Pair, type PairOptions } from "../../host/demo/pair.ts";
import { frameBooks } from "../../host/operator/drops.ts";
import { type PacketExplanation, renderExplanation } from "../../host/operator/explain.ts";
import type { ChildSas } from "../../host/operator/sas.ts";
import type { Side } from "../../host/nic/nic.ts";
import { clearPacket, clearPacket6, wanKind, internetChecksum } from "./packets.ts";

const oneOf = <T>(random: SeededRandom, values: readonly T[]): T => values[random.below(values.length)]!;

/** Settings of both sites, by chance; what must agree does. */
function options(random: SeededRandom, seed: number): PairOptions {
  const trap = seed % 2 === 1;
  const child = [
    `replay_window = ${oneOf(random, [0, 32, 256])}`,
    trap ? "start_action = trap" : "",
    `copy_df = ${oneOf(random, ["yes", "no"])}`,
  ].join("\n        ");
  const narrow = oneOf(random, ["", "", "[udp]", "[udp/7]"]);
  const net = (site: number): string => `10.${site}.1.0/24, 10.${site}.2.0/24${narrow}`;
  return {
    links: oneOf(random, [
      { moon: "ethernet", sun: "atm" },
      { moon: "atm", sun: "ethernet" },
    ] as const),
    boards: 1 + random.below(3),
    outside: oneOf(random, ["ipv4", "ipv6"]),
    inside: oneOf(random, ["ipv4", "both"]),
    esp: oneOf(random, ["aes256gcm16", "aes128-sha256", "chacha20poly1305-esn", "aes128gcm16-esn", "null-sha256"]),
    // A life that ends at this end alone.
    child: { moon: seed % 2 === 0 ? `${child}\nlife_packets = 15\nrekey_packets = 0` : child, sun: child },
    ...(narrow === ""
      ? {}
      : {
          nets: [1],
          selectors: {
            moon: `local_ts = ${net(1)}\n remote_ts = ${net(2)}`,
            sun: `local_ts = ${net(2)}\n remote_ts = ${net(1)}`,
          },
        }),
    // A policy without an SA for the third network and for one protocol of the others.
    ...(seed % 3 === 0 ? {} : { connections: { moon: shunts(seed % 3 === 1 ? "pass" : "drop") } }),
    chassis: { entropy: new SeededEntropy(seed) },
  };
}

/** BYPASS or DISCARD for what no child covers, and for one protocol of what one does. */
const shunts = (mode: string): string => `shunts {
    children {
      third { mode = ${mode}\n local_ts = 10.1.3.0/24\n remote_ts = 0.0.0.0/0\n start_action = trap }
      echo { mode = ${mode}\n local_ts = 10.1.0.0/16[icmp]\n remote_ts = 10.2.0.0/16[icmp]\n priority = 1\n start_action = trap }
    }
  }`;

/** A clear packet of a host behind `from`; some belong to no child, some are not whole, some are nonsense. */
function clear(random: SeededRandom, from: 1 | 2, serial: number): Uint8Array {
  const to = 3 - from;
  const net = 1 + random.below(3);
  const other = random.next() < 0.1 ? 3 : net;
  const size = oneOf(random, [60, 100, 900, 1300, 1400, 1420, 1438, 1450, 1500, 2000]) + random.below(10);
  if (random.next() < 0.25) return clearPacket6([from, net], [to, other], size, serial);
  const packet = Buffer.from(
    clearPacket(oneOf(random, ["udp", "tcp", "icmp", "bare"]), [10, from, net, 5], [10, to, other, 7], size, serial),
  );
  const mend = (): void => {
    packet.writeUInt16BE(0, 10);
    packet.writeUInt16BE(internetChecksum(packet.subarray(0, 20)), 10);
  };
  const what = random.next();
  if (what < 0.3)
    packet[6] = 0x40; // DF
  else if (what < 0.35)
    packet[6] = 0x20; // more fragments
  else if (what < 0.38) packet[0] = 0x4f;
  else if (what < 0.42) packet.writeUInt16BE(size + 1, 2);
  mend();
  return what > 0.97 ? packet.subarray(0, 10 + random.below(20)) : packet;
}

const isIke = (packet: Uint8Array): boolean => wanKind(packet).startsWith("ike");

interface Before {
  drops: Map<string, number>;
  children: ChildSas[];
}

class Site {
  readonly pair: Pair;
  /** What left each side, with the slot. */
  readonly out: { side: Side; packet: Uint8Array; slot: number }[] = [];
  /** Sealed packets that the peer has sent and that never came. */
  readonly fresh: Uint8Array[] = [];
  readonly stale: Uint8Array[] = [];
  readonly ike: Uint8Array[] = [];

  constructor(pair: Pair) {
    this.pair = pair;
    for (const side of ["protected", "unprotected"] as const) {
      pair.moon.chassis.onTransmit(side, (packet, slot) => {
        if (side === "protected" || !isIke(packet)) this.out.push({ side, packet: packet.slice(), slot });
      });
    }
    pair.wan.filter = (packet, from) => {
      if (isIke(packet)) {
        if (from === "b") this.ike.push(packet.slice());
        return true;
      }
      if (from === "b") this.fresh.push(packet.slice());
      return false;
    };
  }

  async before(): Promise<Before> {
    const drops = new Map<string, number>();
    for (const { slot, drops: firmware, chassisDrops } of this.pair.moon.chassis.show().slots) {
      for (const [reason, count] of Object.entries(firmware)) drops.set(`${slot} ${reason}`, count);
      for (const [reason, count] of Object.entries(chassisDrops)) drops.set(`${slot} chassis ${reason}`, count);
    }
    const sas = await this.pair.moon.gateway.sas();
    return { drops, children: sas.flatMap((ike) => ike["child-sas"]) };
  }

  /** A packet for moon, and the side that it comes from. */
  async next(random: SeededRandom, serial: number): Promise<{ packet: Uint8Array; from: Side }> {
    const kind = random.next();
    // Traps first meet packets from here.
    if (kind < 0.45 || serial < 80) return { packet: clear(random, 1, serial), from: "protected" };
    if (kind > 0.96 && this.ike.length > 0) return { packet: oneOf(random, this.ike), from: "unprotected" };
    if (kind > 0.92) return { packet: clear(random, 2, serial), from: "unprotected" };
    // Something sealed by the peer.
    if (this.fresh.length === 0) {
      for (let i = 0; i < 8; i++) this.pair.sun.send(clear(random, 2, serial + i));
      await this.pair.drive.run();
    }
    const used = kind < 0.75 ? this.fresh.shift() : oneOf(random, [...this.stale, ...this.fresh]);
    if (!used) return { packet: clear(random, 2, serial), from: "unprotected" };
    this.stale.push(used);
    if (this.stale.length > 30) this.stale.shift();
    const packet = Buffer.from(used);
    if (random.next() < 0.25) packet[random.below(packet.length)]! ^= 1 << random.below(8);
    return {
      packet: random.next() < 0.05 ? packet.subarray(0, random.below(packet.length)) : packet,
      from: "unprotected",
    };
  }
}

const counted = ({ "spi-in": spi, "packets-in": packetsIn, "packets-out": packetsOut, drops }: ChildSas): string =>
  JSON.stringify([spi, packetsIn, packetsOut, drops]);

/** What is said of a packet against what happened to it. */
function compare(said: PacketExplanation, before: Before, after: Before, out: Site["out"], where: string): void {
  const risen = [...after.drops].flatMap(([name, count]) => (count === (before.drops.get(name) ?? 0) ? [] : [name]));
  if (said.verdict === "dropped") {
    const slot = said.walk.at(-1)!.slot;
    assert.equal(risen, [`${slot} ${said.reason}`], where);
    // But for what the board tells the sender of a packet too big.
    assert.ok(out.length === 0 || (said.reason === "packet_too_big" && out.length === 1), where);
  } else if (said.verdict === "ike") {
    assert.ok(
      risen.every((name) => / ike_/.test(name)),
      where,
    );
  } else if (said.verdict === "held") {
    // Once its SA is there it is looked at anew.
    assert.not.ok(
      risen.some((name) => name.endsWith("no_sa_acquiring")),
      where,
    );
  } else if (said.verdict !== "fragment" && said.verdict !== "path-mtu") {
    assert.equal(risen, [], where);
  }
  if (said.verdict === "delivered" || said.verdict === "bypassed") {
    assert.equal(
      out.map(({ side, packet, slot }) => ({ side, octets: packet.length, slot })),
      [{ ...said.out!, slot: said.slot ?? said.walk.at(-1)!.slot }],
      where,
    );
  }
  if (said.verdict === "fragmented") assert.ok(out.length > 1, where);
  // The last piece brings all that is put together with it.
  if (said.verdict === "held" || said.verdict === "fragment" || said.verdict === "path-mtu") return;
  // IKE may answer to what it is told: of a life that ends, or an opened message.
  if (said.verdict === "ike" || said.reason === "sa_expired") return;
  const known = new Set(before.children.map(counted));
  const moved = after.children.filter((child) => !known.has(counted(child)));
  if (!said.sa) {
    assert.equal(moved, [], where);
    return;
  }
  assert.equal(
    moved.map(({ name, slot, ...child }) => ({
      name,
      slot,
      spi: child[said.sa!.direction === "in" ? "spi-in" : "spi-out"],
    })),
    [{ name: said.child!.name, slot: said.slot, spi: said.sa.spi }],
    where,
  );
}

const seen = new Set<string>();

for (let seed = 1; seed <= 8; seed++) {
  test(`what it says comes true, seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const settings = options(random, seed);
    const pair = new Pair(settings);
    try {
      await pair.start();
      const children = (settings.nets as number[] | undefined)?.length ?? 2;
      // With traps the first packets have to negotiate.
      if (!settings.child!.moon!.includes("trap")) assert.ok(await pair.establish(30_000, children));
      const site = new Site(pair);
      for (let i = 0; i < 150; i++) {
        const { packet, from } = await site.next(random, i * 10);
        const text = `seed ${seed}, packet ${i}, ${from}: ${Buffer.from(packet).toString("hex").slice(0, 120)}`;
        if (packet.length === 0) continue;
        const before = await site.before();
        const said = await pair.moon.gateway.explain(packet, from);
        const where = `${text}\n${renderExplanation(said)}`;
        site.out.length = 0;
        await pair.drive.run();
        assert.equal(site.out, [], where);
        assert.equal(await site.before(), before, `asking changes nothing: ${where}`);
        pair.moon.chassis.receive(from, packet);
        await pair.drive.run();
        compare(said, before, await site.before(), site.out, where);
        seen.add(said.reason ?? said.verdict);
      }
      for (const { chassis } of [pair.moon, pair.sun]) {
        assert.equal(chassis.faults, []);
        for (const slot of chassis.show().slots) assert.is(frameBooks(slot).missing, 0);
      }
    } finally {
      await pair.close();
    }
  });
}

test("every kind of ending was met", () => {
  const endings = [
    "delivered",
    "held",
    "ike",
    "no_policy",
    "packet_too_big",
    "replay",
    "icv",
    "ip_malformed",
    "sa_expired",
    "bypassed",
    "policy_discard",
    "protection_missing",
  ];
  for (const ending of endings) assert.ok(seen.has(ending), `${ending}: ${[...seen].join(" ")}`);
});

test.run();
