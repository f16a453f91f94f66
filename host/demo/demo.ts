/**
 * `npm start`: the demo. Builds the boards if needed, runs the story, prints it for a person, or with --json one object with
 * the same facts. Exits 1 when an expectation was not met, 2 for wrong usage.
 */
import { parseArgs } from "node:util";
import { buildAll } from "../build/build.ts";
import { runDemo } from "./story.ts";

const USAGE = "usage: npm start [-- --json]";

let json = false;
try {
  json = parseArgs({ options: { json: { type: "boolean" } } }).values.json ?? false;
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exit(2);
}

const tell = json ? () => undefined : (line: string) => console.log(line);
await buildAll({ log: tell });
tell("");
const facts = await runDemo(tell);
if (json) {
  const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
  console.log(JSON.stringify(facts, plain, 2));
} else {
  const failed = facts.expectations.filter(({ ok }) => !ok).length;
  tell(`\n${facts.expectations.length - failed} expectations met, ${failed} not`);
}
process.exitCode = facts.ok ? 0 : 1;
