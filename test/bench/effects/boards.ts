/**
 * Throughput of a chassis with so many IPsec boards, by a cost model: a poll takes so much and each packet in it so much, on the IKE board
 * and on an IPsec board. The numbers come from polls of the same firmware, of few packets and of many.
 */
import assert from "node:assert/strict";
import type { LinkKind } from "../../../host/chassis/backplane.ts";
import { udpPacket } from "../../../host/demo/packets.ts";
import { makeSites, type SitePlan } from "./site.ts";
import { median } from "../figures/median.ts";

/** ns. */
export interface Cost {
  poll: number;
  packet: number;
}
export interface Costs {
  ike: Cost;
  ipsec: Cost;
}

const IKE_SLOT = 0;
const IPSEC_SLOT = 1;
const FEW = 1;
const MANY = 64;
/** Bursts of each kind that count, and before them. */
const BURSTS = 150;
const WARM_UP = 150;
/**
 * A figure covers as long as an IPsec board takes for so many full polls, of MANY packets each, and the rings have filled in as many as
 * RISING before: whatever a packet takes, it is of as many packets for each board.
 */
const POLLS = 32;
const RISING = 16;
/** Packets under way for each board. */
const PER_BOARD = 96;
const TICK = 2_000n;

const clear = (net: number, octets: number): Uint8Array => udpPacket(`10.1.${net}.5`, `10.2.${net}.9`, net, octets);

/** Packets are sealed one at a time and 64 at a time: the difference is the packets', the rest the poll's. */
export async function measureCosts(link: LinkKind, octets: number, esp: string): Promise<Costs> {
  const { pair, drive } = await makeSites({ boards: 1, link, esp });
  try {
    const packet = clear(1, octets);
    pair.wan.filter = () => false;
    const times = new Map(
      [FEW, MANY].map((size) => [size, new Map([IKE_SLOT, IPSEC_SLOT].map((slot) => [slot, [] as number[]]))]),
    );
    for (let i = -WARM_UP; i < BURSTS; i++) {
      for (const size of [FEW, MANY]) {
        drive.spent.clear();
        for (let n = 0; n < size; n++) assert.ok(pair.moon.send(packet));
        await drive.run(3);
        if (i < 0) continue;
        for (const [slot, list] of times.get(size)!) list.push(drive.spent.get(slot)!.time);
      }
    }
    const cost = (slot: number): Cost => {
      const [few, many] = [FEW, MANY].map((size) => median(times.get(size)!.get(slot)!)) as [number, number];
      const packets = (many - few) / (MANY - FEW);
      return { poll: Math.max(few - packets, 0), packet: packets };
    };
    return { ike: cost(IKE_SLOT), ipsec: cost(IPSEC_SLOT) };
  } finally {
    await pair.close();
  }
}

/** Packets a second that leave sealed, in steady state. Throws when one is lost. */
export async function scale(plan: Omit<SitePlan, "model">, costs: Costs, octets: number): Promise<number> {
  const model = (slot: number, packets: number): number => {
    const { poll, packet } = slot === IKE_SLOT ? costs.ike : costs.ipsec;
    return poll + packets * packet;
  };
  const { pair, drive, nets } = await makeSites({ ...plan, model });
  try {
    const packets = Array.from({ length: nets }, (_, i) => clear(i + 1, octets));
    let [sent, out, running] = [0, 0, true];
    pair.wan.filter = () => {
      out += 1;
      return false;
    };
    const tick = (): void => {
      if (!running) return;
      while (sent - out < PER_BOARD * nets && pair.moon.send(packets[sent % nets]!)) sent += 1;
      drive.after(TICK, tick);
    };
    tick();
    const poll = (costs.ipsec.poll + MANY * costs.ipsec.packet) / 1e6;
    await drive.run(RISING * poll);
    const [before, start] = [out, drive.clock.now()];
    await drive.run(POLLS * poll);
    const rate = ((out - before) * 1e9) / Number(drive.clock.now() - start);
    running = false;
    assert.ok(await drive.until(() => out === sent, 100), `${sent - out} packets were lost on their way`);
    return rate;
  } finally {
    await pair.close();
  }
}
