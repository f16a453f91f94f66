/**
 * `npm run bench -- NAME`: runs test/bench/NAME.ts, or lists the benches that there are. Words behind NAME are its own.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const DIRECTORY = dirname(fileURLToPath(import.meta.url));
const benches = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith(".ts") && file !== "run.ts")
  .map((file) => file.replace(/\.ts$/, ""))
  .sort();

const [name, ...words] = process.argv.slice(2);
if (name !== undefined && benches.includes(name)) {
  const path = join(DIRECTORY, `${name}.ts`);
  process.argv.splice(1, process.argv.length - 1, path, ...words);
  await import(pathToFileURL(path).href);
} else {
  if (name !== undefined) console.error(`${name}: no such bench`);
  console.error(`usage: npm run bench -- NAME\nbenches: ${benches.join(", ") || "none"}`);
  process.exitCode = 2;
}
