/**
 * `npm run bench -- overload`: a gateway with one IPsec board is offered more than that carries, for a minute, while initiators shake
 * hands with it. In lockstep by a stated cost model (effects/overload.ts: 100 us a packet on the IPsec board, 5 us on the IKE board), so
 * that what comes out does not depend on this machine.
 *
 *   --factor N        2: times what the IPsec board carries
 *   --seconds N       60, virtual ones
 *   --slices N        6: figures that they are told in
 *   --link KIND       atm, or ethernet
 *   --json FILE       {slices: [...], drops, ...}
 *
 *   out, offered      packets/s
 *   handshakes        done in the slice: two initiators, one after the other
 *   median, longest   milliseconds from host to host
 *
 * Exits with 1 when throughput falls off its peak, nobody's handshake is done, a packet waits longer than the rings are, a drop has another
 * reason than those, a frame is kept or RAM grows: nothing of it is a matter of time on the wall.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import { LONGEST, offences, overload } from "./effects/overload.ts";

const { values } = parseArgs({
  options: {
    factor: { type: "string", default: "2" },
    seconds: { type: "string", default: "60" },
    slices: { type: "string", default: "6" },
    link: { type: "string", default: "atm" },
    json: { type: "string" },
  },
});
const [factor, seconds, slices] = [values.factor, values.seconds, values.slices].map(Number) as [
  number,
  number,
  number,
];
if (!(factor >= 2 && seconds > 0 && Number.isInteger(slices) && slices >= 2))
  throw new Error("--factor and --slices want 2 or more, --seconds a number");
if (values.link !== "atm" && values.link !== "ethernet") throw new Error("--link wants atm or ethernet");

const result = await overload(values.link as LinkKind, factor, slices, (seconds * 1000) / slices);
console.log("slice      out  offered  handshakes  median ms  longest ms");
for (const [i, slice] of result.slices.entries())
  console.log(
    [
      String(i).padStart(5),
      slice.rate.toFixed(0).padStart(7),
      slice.offered.toFixed(0).padStart(7),
      String(slice.handshakes).padStart(10),
      (slice.median / 1e3).toFixed(1).padStart(9),
      (slice.longest / 1e3).toFixed(1).padStart(10),
    ].join("  "),
  );
console.log(
  `a packet may wait ${(LONGEST / 1e3).toFixed(1)} ms; a CHILD_SA was rekeyed meanwhile: ${result.rekeyed ? "yes" : "no"}`,
);
console.log(
  `drops: ${JSON.stringify(result.drops)}; frames held at the end: ${result.held}; RAM of boards: ${result.grown} octets more`,
);
console.log(
  `heap of this process after the first slice and at the end: ${(result.heap / 2 ** 20).toFixed(1)} MiB more`,
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 1)}\n`);
const wrong = offences(result);
for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;
