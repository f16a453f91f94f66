/**
 * `npm run bench -- overload`: a gateway with one IPsec board is offered more than that carries, for a minute, while initiators shake
 * hands with it. In lockstep by a stated cost model (effects/overload.ts: 100 us a packet on the IPsec board, 5 us on the IKE board), so
 * that what comes out does not depend on this machine; and in threads on the clock (overload/threads.ts), as much more than what the
 * same run has measured to be carried.
 *
 *   --drives NAME,...  lockstep,threads
 *   --factor N         2: times what is carried
 *   --seconds N        60: virtual ones, and ones on the clock
 *   --slices N         6: figures that they are told in
 *   --measuring N      2000: ms on the clock in which it is measured what is carried, in closed loop, before and behind
 *   --link KIND        atm, or ethernet
 *   --json FILE        {lockstep: {slices: [...], drops, ...}, threads: {carried, slices: [...], drops, ...}}
 *
 *   out, offered      packets/s
 *   handshakes        lockstep: done in the slice: two initiators, one after the other
 *   out a CPU second  threads: packets that came out for a second of processor time of the gateway's two boards, to that in closed loop
 *   median, longest   milliseconds from host to host
 *
 * Exits with 1 when in lockstep throughput falls off its peak, nobody's handshake is done, a packet waits longer than the rings are, a drop has
 * another reason than those, a frame is kept or RAM grows; in threads when a packet is neither sealed nor counted as a drop, a drop has
 * another reason than those two, no handshake or no rekeying is done, one fails, a frame is kept or a board's RAM grows: nothing
 * of it is a matter of time on the wall.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import { LONGEST, offences, type Overload, overload } from "./effects/overload.ts";
import { median } from "./figures/median.ts";
import { offencesOfThreads, overloadThreads, type ThreadsOverload } from "./overload/threads.ts";

const { values } = parseArgs({
  options: {
    drives: { type: "string", default: "lockstep,threads" },
    factor: { type: "string", default: "2" },
    seconds: { type: "string", default: "60" },
    slices: { type: "string", default: "6" },
    measuring: { type: "string", default: "2000" },
    link: { type: "string", default: "atm" },
    json: { type: "string" },
  },
});
const [factor, seconds, slices, measuring] = [values.factor, values.seconds, values.slices, values.measuring].map(
  Number,
) as [number, number, number, number];
const drives = values.drives.split(",");
if (!(factor >= 2 && seconds > 0 && measuring > 0 && Number.isInteger(slices) && slices >= 2))
  throw new Error("--factor and --slices want 2 or more, --seconds and --measuring a number");
if (values.link !== "atm" && values.link !== "ethernet") throw new Error("--link wants atm or ethernet");
if (!drives.every((drive) => drive === "lockstep" || drive === "threads"))
  throw new Error("--drives wants some of lockstep, threads");
const link = values.link as LinkKind;

const cells = (...texts: [string | number, number][]): string =>
  texts.map(([text, width]) => String(text).padStart(width)).join("  ");
const mib = (octets: number): string => (octets / 2 ** 20).toFixed(1);

async function lockstep(): Promise<Overload> {
  const result = await overload(link, factor, slices, (seconds * 1000) / slices);
  console.log("lockstep, by the cost model\nslice      out  offered  handshakes  median ms  longest ms");
  for (const [i, slice] of result.slices.entries())
    console.log(
      cells(
        [i, 5],
        [slice.rate.toFixed(0), 7],
        [slice.offered.toFixed(0), 7],
        [slice.handshakes, 10],
        [(slice.median / 1e3).toFixed(1), 9],
        [(slice.longest / 1e3).toFixed(1), 10],
      ),
    );
  console.log(
    `a packet may wait ${(LONGEST / 1e3).toFixed(1)} ms; a CHILD_SA was rekeyed meanwhile: ${result.rekeyed ? "yes" : "no"}`,
  );
  console.log(
    `drops: ${JSON.stringify(result.drops)}; frames held at the end: ${result.held}; RAM of boards: ${result.grown} octets more`,
  );
  console.log(`heap of this process after the first slice and at the end: ${mib(result.heap)} MiB more`);
  return result;
}

async function threads(): Promise<ThreadsOverload> {
  const result = await overloadThreads({ link, factor, slices, milliseconds: (seconds * 1000) / slices, measuring });
  const [before, behind] = result.carried;
  console.log(
    `threads, on the clock; in closed loop ${before.toFixed(0)} packets/s are carried before, ${behind.toFixed(0)} behind`,
  );
  console.log("slice      out  offered  out a CPU second  median ms  p99 ms  longest ms");
  for (const [i, slice] of result.slices.entries())
    console.log(
      cells(
        [i, 5],
        [slice.rate.toFixed(0), 7],
        [slice.offered.toFixed(0), 7],
        [(slice.perSecond / result.perSecond).toFixed(2), 16],
        [slice.median.toFixed(1), 9],
        [slice.p99.toFixed(1), 6],
        [slice.longest.toFixed(1), 10],
      ),
    );
  const lost = Object.values(result.drops).reduce((sum, count) => sum + count, 0);
  const others = lost - (result.offered - result.sealed);
  console.log(
    `${result.offered} packets offered, ${result.sealed} sealed; drops: ${JSON.stringify(result.drops)}, ` +
      `of those ${others} of IKE and control messages; of one in 64, ${result.opened} opened by the peer and compared`,
  );
  const times = (list: readonly number[]): string =>
    `${list.length}, ${median(list).toFixed(0)} ms in the median, ${Math.max(...list).toFixed(0)} at most`;
  console.log(
    `handshakes: ${times(result.handshakes)}, ${result.retransmissions} retransmissions; rekeyings: ${times(result.rekeyings)}`,
  );
  console.log(
    `frames held at the end: ${result.held}; RAM of boards: ${result.grown} octets more; this process, from the first slice's end to ` +
      `the last's: ${mib(result.resident)} MiB more resident, ${mib(result.heap)} MiB more heap`,
  );
  return result;
}

const report: { lockstep?: Overload; threads?: ThreadsOverload } = {};
const wrong: string[] = [];
if (drives.includes("lockstep")) wrong.push(...offences((report.lockstep = await lockstep())));
if (drives.includes("threads")) wrong.push(...offencesOfThreads((report.threads = await threads())));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;
