/**
 * The vector runner: `npm run test:vectors -- DIR` (or CARDCAGE_VECTORS=DIR) runs every .json file under DIR.
 *
 * A file is given to every suite that takes it. The items of a file that no suite takes lie outside, with the reason, when it
 * is about something that the product does not have, and are skipped otherwise. Prints a line per file, a table of what lies
 * outside, and the sum last. Exit status: 0 when all that ran passed, 1 after a failure or with something skipped, 2 when there
 * is nothing to run.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { Kernels } from "./kernels.ts";
import { countItems, FileReport } from "./report.ts";
import type { Suite } from "./suite.ts";
import { SUITES, outsideReason } from "./suites.ts";

function fail(message: string): never {
  console.error(`test:vectors: ${message}`);
  process.exit(2);
}

function walk(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return walk(path);
      return entry.name.endsWith(".json") ? [path] : [];
    })
    .sort();
}

async function runFile(path: string, directory: string, kernels: Kernels): Promise<FileReport> {
  const name = relative(directory, path).split(sep).join("/");
  const report = new FileReport(name);
  let content: any;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    report.failures.push(`not JSON: ${(error as Error).message}`);
    return report;
  }
  const suites: Suite[] = SUITES.filter((suite) => suite.takes(name, content));
  if (suites.length === 0) {
    const reason = outsideReason(name);
    const items = Math.max(1, countItems(content));
    if (reason !== undefined) report.outside(reason, items);
    else report.skipped += items;
    return report;
  }
  for (const suite of suites) {
    const before = report.counted;
    try {
      await suite.run(content, report, kernels, name);
    } catch (error) {
      report.failures.push(`${suite.name}: ${(error as Error).stack}`);
    }
    if (report.counted === before) {
      report.failures.push(`${suite.name}: found no item in this file`);
    }
  }
  return report;
}

const directory = process.argv[2] ?? process.env.CARDCAGE_VECTORS;
if (directory === undefined || directory === "") fail("name the vector directory, or set CARDCAGE_VECTORS");
if (!existsSync(directory)) fail(`${directory}: no such file or directory`);
const single = statSync(directory).isFile();
const files = single ? [directory] : walk(directory);
if (files.length === 0) fail(`${directory}: no .json file`);

const kernels = await Kernels.create();
console.log(`${files.length} files; kernels of the builds ${kernels.names}`);
let [passed, failed, skipped] = [0, 0, 0];
const outside = new Map<string, number>();
for (const file of files) {
  const report = await runFile(file, single ? join(directory, "../..") : directory, kernels);
  for (const line of report.lines()) console.log(line);
  passed += report.passed;
  failed += report.failures.length;
  skipped += report.skipped;
  for (const [reason, items] of report.outsiders) outside.set(reason, (outside.get(reason) ?? 0) + items);
}
if (passed === 0 && failed === 0) console.log("nothing in these files can be run");
for (const [reason, items] of [...outside].sort((a, b) => b[1] - a[1])) console.log(`outside: ${items} (${reason})`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed + skipped > 0 ? 1 : 0;
