/**
 * `npm start`: the demo. Builds the boards if needed, runs the story, prints it for a person, or with --json one object with
 * the same facts. Exits 1 when an expectation was not met, 2 for wrong usage.
 *
 * With --panel: both gateways stay, with a page that shows them, until they are stopped (panel.ts).
 */
import { parseArgs } from "node:util";
import { buildAll } from "../build/build.ts";
import { startPanelDemo } from "./panel.ts";
import { runDemo } from "./story.ts";

const USAGE = `usage: npm start [-- --json]
       npm start -- --panel [--speed 0.1] [--port 9816] [--wait]

  --speed   how fast time goes, from 0.001 to 10: 0.1 is slow motion
  --wait    nothing is negotiated until somebody asks for it`;

function wrong(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}

interface Words {
  json?: boolean;
  panel?: boolean;
  speed?: string;
  port?: string;
  wait?: boolean;
}

function parsed(): Words {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: "boolean" },
        panel: { type: "boolean" },
        speed: { type: "string" },
        port: { type: "string" },
        wait: { type: "boolean" },
      },
    });
    return values;
  } catch (error) {
    return wrong((error as Error).message);
  }
}

const { json = false, panel = false, wait = false, ...words } = parsed();
if (json && panel) wrong("--json is of the story, which --panel does not tell");
if (!panel && (wait || words.speed !== undefined || words.port !== undefined))
  wrong("--speed, --port, --wait: of --panel");
const [speed, port] = [Number(words.speed ?? 1), Number(words.port ?? 9816)];
if (!(speed >= 0.001 && speed <= 10)) wrong("--speed wants a number from 0.001 to 10");
if (!(Number.isInteger(port) && port >= 0 && port <= 65535)) wrong("--port wants a number from 0 to 65535");

const tell = json ? () => undefined : (line: string) => console.log(line);
await buildAll({ log: tell });
tell("");
if (panel) {
  const demo = await startPanelDemo({ speed, port, wait });
  tell(`moon and sun, ${speed === 1 ? "in real time" : `at ${speed} of real time`}: open\n\n  ${demo.url}\n`);
  tell("Ctrl-C ends it. Eject a board and see its SAs move; terminate and initiate to see them negotiated anew.");
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await demo.close();
} else {
  const facts = await runDemo(tell);
  if (json) {
    const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
    console.log(JSON.stringify(facts, plain, 2));
  } else {
    const failed = facts.expectations.filter(({ ok }) => !ok).length;
    tell(`\n${facts.expectations.length - failed} expectations met, ${failed} not`);
  }
  process.exitCode = facts.ok ? 0 : 1;
}
