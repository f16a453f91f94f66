/**
 * A gateway that is offered more than it carries, in lockstep by a stated cost model: how much comes out, how late, what is lost and where,
 * and whether IKE is served meanwhile. Everything follows from the model: two runs are the same but for what is random in IKE.
 */
import { POLL_BATCH } from "../../../assembly/abi/board.ts";
import { RING_SIZE_CHANNEL } from "../../../assembly/abi/ring.ts";
import type { LinkKind } from "../../../host/chassis/backplane.ts";
import { Flow } from "./flow.ts";
import { makeSites } from "./site.ts";

/** ns that a packet takes on an IPsec board, and on the IKE board: those of a small SoC. A poll without packets takes one of these, too. */
export const IPSEC_PACKET = 100_000;
export const IKE_PACKET = 5_000;
/** Packets/s that an IPsec board carries by the model. */
export const CAPACITY = 1e9 / IPSEC_PACKET;
const OCTETS = 400;
/**
 * What a packet waits at most, microseconds: for the ring of the IPsec board's channel and the poll that was under way, and where its SA
 * waited for a lease once more for as long as that took on the same way.
 */
export const LONGEST = (2 * (RING_SIZE_CHANNEL + POLL_BATCH) * IPSEC_PACKET) / 1e3;
/** Initiators that shake hands one after the other all the time. */
const INITIATORS = 2;

/** Of the peak, or of the capacity: control messages take the rest, each as long as a packet. */
const STEADY = 0.8;
/** Drops for want of a lease, to those for want of room: an SA's lease follows what its peer sends, and is too short at its start alone. */
const LEASE_WAITS = 0.01;

export interface Slice {
  /** Packets/s that came out, and that were offered. */
  rate: number;
  offered: number;
  handshakes: number;
  /** From host to host, microseconds. */
  median: number;
  longest: number;
}

export interface Overload {
  slices: Slice[];
  /** Drops while it lasted, by reason, of the boards and of the chassis. */
  drops: Record<string, number>;
  /** Of a child, asked for while it lasts: what became of it. */
  rekeyed: boolean;
  /** Frames that boards held when all was over, and octets of RAM that they had more than before. */
  held: number;
  grown: number;
  /** Octets that this process has more at the end than after the first slice. */
  heap: number;
  failures: string[];
}

/** `factor` times what an IPsec board carries is offered for `slices` slices of `milliseconds` virtual ms. */
export async function overload(
  link: LinkKind,
  factor: number,
  slices: number,
  milliseconds: number,
): Promise<Overload> {
  const model = (slot: number, packets: number): number =>
    Math.max(packets, 1) * (slot === 0 ? IKE_PACKET : IPSEC_PACKET);
  const { pair, drive, storm } = await makeSites({ boards: 1, link, esp: "aes128gcm16", model });
  try {
    const flow = new Flow(pair, drive, OCTETS);
    const { moon } = pair;
    const drops = (): Record<string, number> => ({ ...moon.chassis.show().drops });
    const ram = (): number => moon.chassis.show().slots.reduce((sum, { ram: octets }) => sum + octets.used, 0);
    const installed = (): number => moon.events.filter((event) => event.kind === "child-rekey").length;
    const [before, had, rekeys] = [drops(), ram(), installed()];
    const result: Slice[] = [];
    let first = 0;
    storm.begin(INITIATORS);
    for (let i = 0; i < slices; i++) {
      const done = storm.done;
      // Time goes on while it waits for its answer, and packets arrive.
      if (i === slices >> 1) await moon.gateway.rekey("net-1");
      const passage = await flow.offer(factor * CAPACITY, milliseconds, false);
      const { latencies, packets, seconds, missing } = passage;
      result.push({
        rate: packets / seconds,
        offered: (packets + missing) / seconds,
        handshakes: storm.done - done,
        median: latencies[latencies.length >> 1] ?? NaN,
        longest: latencies.at(-1) ?? NaN,
      });
      globalThis.gc?.();
      if (i === 0) first = process.memoryUsage().heapUsed;
    }
    const heap = process.memoryUsage().heapUsed - first;
    storm.end();
    flow.stop();
    await drive.run(5000);
    const lost = Object.entries(drops()).map(([reason, count]) => [reason, count - (before[reason] ?? 0)] as const);
    const { slots } = moon.chassis.show();
    return {
      slices: result,
      drops: Object.fromEntries(lost.filter(([, count]) => count > 0)),
      rekeyed: installed() > rekeys,
      held: slots.reduce((sum, { frames }) => sum + frames.held, 0),
      grown: ram() - had,
      heap,
      failures: storm.failures,
    };
  } finally {
    await pair.close();
  }
}

/** What an overloaded gateway must not do; empty when it does none of it. */
export function offences({ slices, drops, rekeyed, held, grown, failures }: Overload): string[] {
  const peak = Math.max(...slices.map(({ rate }) => rate));
  const wrong: string[] = [];
  for (const [i, { rate, offered, handshakes, longest }] of slices.entries()) {
    if (offered < 1.5 * rate) wrong.push(`slice ${i}: only ${offered.toFixed(0)} packets/s were offered`);
    if (rate < STEADY * peak)
      wrong.push(`slice ${i}: ${rate.toFixed(0)} packets/s come out, ${peak.toFixed(0)} at the peak`);
    if (handshakes === 0) wrong.push(`slice ${i}: nobody's handshake is done`);
    if (longest > LONGEST) wrong.push(`slice ${i}: a packet took ${longest.toFixed(0)} us, more than ${LONGEST}`);
  }
  if (peak < STEADY * CAPACITY) wrong.push(`at the peak ${peak.toFixed(0)} packets/s come out, of ${CAPACITY}`);
  const known = ["backplane_congestion", "lease_wait"];
  for (const [reason, count] of Object.entries(drops))
    if (!known.includes(reason)) wrong.push(`${count} drops for the reason ${reason}`);
  if (!((drops["backplane_congestion"] ?? 0) * LEASE_WAITS > (drops["lease_wait"] ?? 0)))
    wrong.push(`what finds no room is not counted as backplane congestion: ${JSON.stringify(drops)}`);
  if (!rekeyed) wrong.push("a CHILD_SA was not rekeyed");
  if (held !== 0) wrong.push(`${held} frames are held when all is over`);
  if (grown !== 0) wrong.push(`boards use ${grown} octets more`);
  wrong.push(...failures.map((failure) => `a handshake fails: ${failure}`));
  return wrong;
}
