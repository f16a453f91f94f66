/**
 * `npm run demo:failover`: what becomes of traffic when boards go and come, each change by itself (changes.ts). Prints what was lost
 * against what was allowed; exits 1 when a bound is broken. With --json one object.
 */
import { parseArgs } from "node:util";
import { buildAll } from "../build/build.ts";
import { CHANGES, LEASE, measure, NETS } from "./changes.ts";

let json = false;
try {
  json = parseArgs({ options: { json: { type: "boolean" } } }).values.json ?? false;
} catch (error) {
  console.error(`${(error as Error).message}\nusage: npm run demo:failover [-- --json]`);
  process.exit(2);
}

const tell = json ? () => undefined : (line: string) => console.log(line);
await buildAll({ log: tell });
tell(
  `\ntwo gateways, three IPsec boards each, ${NETS.length} tunnels, 10,000 packets a second both ways together; ` +
    `a lease is ${LEASE} packets\n`,
);
const results = [];
for (const change of CHANGES) {
  const result = await measure(change);
  results.push(result);
  const { lost, sent, bound, moved, negotiated, recovery, kept } = result;
  tell(change.name.replaceAll("`", ""));
  tell(
    `  lost ${lost} of ${sent}` +
      `${Number.isFinite(bound.lost) ? `, bound ${bound.lost}` : ", no bound"}; SAs moved ${moved}, negotiated ${negotiated}, ` +
      `allowed ${bound.negotiated}; the last loss ${recovery.toFixed(1)} ms after the change: ${kept ? "kept" : "BROKEN"}`,
  );
}
const broken = results.filter(({ kept }) => !kept).length;
if (json) console.log(JSON.stringify({ ok: broken === 0, lease: LEASE, changes: results }, null, 2));
else tell(`\n${results.length - broken} bounds kept, ${broken} broken`);
process.exitCode = broken === 0 ? 0 : 1;
