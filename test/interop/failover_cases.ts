/**
 * Boards come, go and die while strongSwan's packets are on their way: ping and a TCP connection go on, nothing is negotiated, and
 * strongSwan has nothing to say about replays or unknown SPIs.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Cardcage } from "./cardcage.ts";
import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import { expect, until } from "./process.ts";
import type { Side } from "./topology.ts";
import { expectPing, Flood, ping, stream } from "./traffic.ts";
import { CAGE, establish } from "./world.ts";

const ROLE: Record<Side, string> = { a: "initiator", b: "responder" };
/** Packets of an SA that a board which dies may cost in each direction at this rate: what comes in 20 ms, twice that in a burst, and what was on it. */
const CRASH_LOSS = 64;
/** What was on an IKE board that dies, and what has waited for its successor for too long. */
const IKE_LOSS = 32;

interface Placed {
  "spi-in": string;
  "spi-out": string;
  slot: number;
}

/** What strongSwan says of packets that it must never have seen. */
export const complaintsIn = (log: string): string[] =>
  log.split("\n").filter((line) => /replay|invalid spi|unknown spi|SPI .*not found|verification failed/i.test(line));

/** The CHILD_SA, and the board that it is on. */
export async function placed(ours: Cardcage): Promise<Placed> {
  const { text } = await ours.status();
  const { sas } = JSON.parse(text) as { sas: { "child-sas": Placed[] }[] };
  return sas.flatMap((ike) => ike["child-sas"])[0]!;
}

/** The generation of the IKE board that is online, 0 when none is. */
async function ikeGeneration(ours: Cardcage): Promise<number> {
  const { output } = await ours.command("chassis", "show", "--json");
  const { slots } = JSON.parse(output) as { slots: { slot: number; state: string; generation: number }[] };
  const ike = slots.find(({ slot }) => slot === 0);
  return ike?.state === "Online" ? ike.generation : 0;
}

export async function done(ours: Cardcage, ...words: string[]): Promise<void> {
  const { code, output } = await ours.command(...words);
  expect(code === 0, `${words.join(" ")}: ${output.trim()}`);
}

/** `thread`: all boards share it, and read the NICs there. */
function failover(side: Side, links: "ethernet" | "atm", thread?: number): Case {
  const where = thread === undefined ? links : `${links}, boards and NICs in one thread`;
  return {
    name: `${ROLE[side]}: boards ejected, inserted, updated, restarted, killed and taken offline, the IKE board among them, under traffic, ${where}`,
    oursOnly: true,
    paced: true,
    async story(world) {
      const connection = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16", psk: freshPsk() };
      const pair = await world.pair(side, connection, {
        ...CAGE,
        links,
        slots: 3,
        faults: true,
        ...(thread === undefined ? {} : { thread, receive: "ike-board" as const }),
      });
      await establish(pair);
      const ours = pair.ours as Cardcage;
      const first = await placed(ours);
      const flood = new Flood(world.topology, "a", world.directory);
      const transfer = stream(world.topology, "b", world.directory, 10_000_000, 500_000);
      // Awaited below; a failure in between must not go unobserved.
      transfer.catch(() => undefined);
      await pause(1000);
      let { slot } = first;
      const elsewhere = async (what: string): Promise<void> => {
        await until(
          `the CHILD_SA is on another board after ${what}`,
          10,
          async () => (await placed(ours)).slot !== slot,
        );
        ({ slot } = await placed(ours));
        await pause(500);
      };
      const ejected = slot;
      await done(ours, "slot", String(ejected), "eject");
      await elsewhere("eject");
      await done(ours, "slot", String(ejected), "insert", "ipsec");
      await done(ours, "slot", String(slot), "restart");
      await elsewhere("restart");
      // The other build of the same firmware, in place of the one that serves.
      await done(
        ours,
        "slot",
        String(slot),
        "insert",
        new URL("../../build/ipsec.base.wasm", import.meta.url).pathname,
      );
      await elsewhere("update");
      await done(ours, "fault", "trap", String(slot));
      await until("the board is there again", 10, async () => (await ours.drops()) !== "");
      await pause(1500);
      // The IKE board takes its SAs back, with strongSwan none the wiser.
      const generation = await ikeGeneration(ours);
      await done(ours, "slot", "0", "restart");
      await pause(1000);
      await done(ours, "fault", "trap", "0");
      await until("another IKE board serves", 20, async () => (await ikeGeneration(ours)) === generation + 2);
      await pause(1500);
      // There is none for a while: the others go on, beyond their leases.
      await done(ours, "slot", "0", "offline");
      await pause(4000);
      await done(ours, "slot", "0", "online");
      await until("the IKE board is back", 20, async () => (await ikeGeneration(ours)) === generation + 3);
      await pause(1500);
      const { sent } = await transfer;
      const { sent: asked, received } = await flood.finish();
      const lost = asked - received;
      const last = await placed(ours);
      expect(
        last["spi-in"] === first["spi-in"] && last["spi-out"] === first["spi-out"],
        "a CHILD_SA was negotiated that nobody asked for",
      );
      expect(asked > 500 && lost - 1 <= CRASH_LOSS + 3 * IKE_LOSS, `${received} of ${asked} echo requests answered`);
      const complaints = complaintsIn(pair.peer.log());
      expect(complaints.length === 0, `strongSwan says: ${complaints.slice(0, 3).join("; ")}`);
      return `${sent} octets with equal SHA-256, ${lost} of ${asked} echo requests unanswered, SPIs as they were`;
    },
  };
}

/** The thread that all boards share hangs, and is ended: another one reads the NICs, with boards that take the SAs over. */
const HUNG: Case = {
  name: "initiator: the thread of all boards, which reads the NICs, hangs under traffic and is replaced",
  oursOnly: true,
  async story(world) {
    const connection = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16", psk: freshPsk() };
    const pair = await world.pair("a", connection, {
      ...CAGE,
      slots: 2,
      faults: true,
      thread: 0,
      receive: "ike-board",
    });
    await establish(pair);
    const ours = pair.ours as Cardcage;
    const generation = await ikeGeneration(ours);
    const first = await placed(ours);
    const flood = new Flood(world.topology, "a", world.directory);
    await pause(1000);
    await done(ours, "fault", "hang", "0");
    await until("another IKE board serves", 30, async () => (await ikeGeneration(ours)) === generation + 1);
    await until("packets pass again", 20, async () => (await ping(world.topology, "a", 1)).received > 0);
    await expectPing(world.topology);
    await flood.finish();
    const last = await placed(ours);
    expect(last["spi-in"] === first["spi-in"] && last["spi-out"] === first["spi-out"], "a CHILD_SA was negotiated");
    const complaints = complaintsIn(pair.peer.log());
    expect(complaints.length === 0, `strongSwan says: ${complaints.slice(0, 3).join("; ")}`);
    return "SPIs as they were, echo requests answered again";
  },
};

export const FAILOVER_CASES: readonly Case[] = [
  failover("a", "ethernet"),
  failover("b", "atm"),
  failover("a", "ethernet", 1),
  HUNG,
];
