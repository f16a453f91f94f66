/**
 * `npm run guide`: docs/guides/troubleshooting.md told anew from the list of drop reasons (host/operator/drop_reason.ts).
 *
 * An entry is a heading with the reason's name. What it means, what to do and its names elsewhere are the list's; its usual cause is
 * written in the guide, and stays. An entry that is missing comes to the end, without a cause; test/host/guides.test.ts wants one.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DROP_REASONS, type DropReason } from "../operator/drop_reason.ts";

export const TROUBLESHOOTING = fileURLToPath(new URL("../../docs/guides/troubleshooting.md", import.meta.url));

const ENTRY = /^### `([a-z0-9_]+)`\n[\s\S]*?(?=^#|$(?![\s\S]))/gm;
const CAUSE = /^\*\*Usual cause\*\* (.*)$/m;

/** The usual causes that the guide tells, by reason. */
export function causes(guide: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [entry, name] of guide.matchAll(ENTRY)) {
    if (found.has(name as string)) throw new Error(`${name} stands in the guide twice`);
    found.set(name as string, CAUSE.exec(entry)?.[1] ?? "");
  }
  return found;
}

function entry(name: string, { means, do: remedy, linux = [], vpp }: DropReason, cause: string): string {
  const elsewhere = [
    ...(linux.length === 0 ? [] : [`Linux \`${linux.join("`, `")}\``]),
    ...(vpp === undefined ? [] : [`VPP \`${vpp}\``]),
  ];
  const lines = [
    `### \`${name}\``,
    means,
    `**Usual cause** ${cause}`,
    `**Do** ${remedy}`,
    ...(elsewhere.length === 0 ? [] : [`**Elsewhere** ${elsewhere.join(", ")}`]),
  ];
  return `${lines.join("\n\n")}\n\n`;
}

/** The guide with every entry as the list has it; throws where it has an entry for what is no reason. */
export function retell(guide: string): string {
  const told = causes(guide);
  const stranger = [...told.keys()].find((name) => !Object.hasOwn(DROP_REASONS, name));
  if (stranger !== undefined) throw new Error(`${stranger} is no drop reason`);
  const retold = guide.replace(ENTRY, (_, name: keyof typeof DROP_REASONS) =>
    entry(name, DROP_REASONS[name], told.get(name) ?? ""),
  );
  const missing = Object.entries(DROP_REASONS).filter(([name]) => !told.has(name));
  const added = missing.map(([name, reason]) => entry(name, reason, "")).join("");
  return `${`${retold.trimEnd()}\n\n${added}`.trimEnd()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(TROUBLESHOOTING, retell(readFileSync(TROUBLESHOOTING, "utf8")));
