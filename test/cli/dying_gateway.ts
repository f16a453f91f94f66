/**
 * A gateway in a process of its own, as `cardcage up` runs one: boards in threads, its log on stdout. It has keys written down in the directory
 * argv[2] and a capture beside it, and then one board after the other dies with keys in its RAM; what there is to see of it all is printed.
 */
import { flush, writeLog } from "../../host/cli/log_output.ts";
import { renderBoards, renderDrops, renderEvent } from "../../host/cli/render.ts";
import { renderFault } from "../../host/chassis/fault.ts";
import { udpPacket } from "../../host/demo/packets.ts";
import { Pair } from "../../host/demo/pair.ts";
import { Capture } from "../../host/operator/capture.ts";
import { Commands } from "../../host/operator/commands.ts";
import { dropsOf } from "../../host/operator/drops.ts";
import { Log, LOG_DEFAULTS } from "../../host/operator/log.ts";
import { renderSas } from "../../host/operator/sas.ts";

const [, , keys] = process.argv as [string, string, string];
const PATIENCE_MS = 60_000;

const pair = new Pair({ drive: "threaded", chassis: { keyExport: true, faults: true } });
const { gateway, chassis } = pair.moon;
const log = new Log({ ...LOG_DEFAULTS, level: "debug", rate: 0 });
writeLog(log, { format: "json" });
gateway.onEvent((event) => log.event(event, renderEvent));
const told: string[] = [];
try {
  await pair.start();
  const capture = new Capture(gateway, `${keys}.pcapng`, { keys });
  const commands = new Commands(gateway, { log });
  const consoles = [0, 1, 2].map((slot) =>
    commands.follow("console", { slot, packets: true }, (line) => told.push(JSON.stringify(line))),
  );
  if (!(await pair.establish(PATIENCE_MS))) throw new Error("no SA came up");
  // An IPsec board first, then the IKE board: each has keys while it dies.
  for (const slot of [1, 0]) {
    const dead = chassis.faults.length;
    chassis.injectFault({ kind: "trap", slot });
    // A board that has nothing to do does not come upon the damage.
    const struck = await pair.drive.until(() => {
      for (const net of [1, 2]) pair.moon.send(udpPacket(`10.1.${net}.5`, `10.2.${net}.7`, 1, 100));
      return chassis.faults.length > dead;
    }, PATIENCE_MS);
    if (!struck) throw new Error(`slot ${slot} did not die`);
    await pair.drive.until(() => chassis.show().slots[slot]!.state === "Online", PATIENCE_MS);
  }
  await pair.drive.run(500);
  capture.stop();
  for (const end of consoles) end();
  const boards = await gateway.boards();
  const sas = await gateway.sas();
  flush();
  console.log(renderBoards(boards), JSON.stringify(boards), renderSas(sas, boards.link), JSON.stringify(sas));
  console.log(renderDrops(dropsOf(chassis.show())), told.join("\n"), JSON.stringify(pair.moon.events));
  for (const fault of chassis.faults) console.log(`died: ${renderFault(fault)}\n${fault.trapText}`);
} finally {
  await pair.close();
}
