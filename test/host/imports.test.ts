/**
 * The import rule: strictly downward, never sideways.
 *
 *    5   boards
 *    4   ike . distribution    ipsec    classifier
 *    3   policy . channel . checkpoint
 *    2   wire . crypto . bus
 *    1   rt
 *    0   abi      <-- host/chassis, host/nic, host/secure_element import abi and nothing else of assembly
 *
 * Files of one directory may import each other; two directories of one level may not. assembly imports nothing outside
 * itself, boards nothing but assembly; but for the conventional board, which is the IKE board and more.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { importLines, resolveImport } from "../../host/build/imports.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const LEVELS: Record<string, number> = {
  abi: 0,
  rt: 1,
  wire: 2,
  crypto: 2,
  bus: 2,
  policy: 3,
  channel: 3,
  checkpoint: 3,
  ike: 4,
  distribution: 4,
  ipsec: 4,
  classifier: 4,
};

/** Parts of the host that know the machine and nothing of IPsec. */
const HARDWARE = ["host/chassis", "host/nic", "host/secure_element"];

/** Packages that asc knows in firmware: none. */
function allowed(from: string, to: string): string | undefined {
  const [fromTop, fromPart] = from.split("/");
  const [toTop, toPart] = to.split("/");
  if (fromTop === "assembly") {
    if (toTop !== "assembly") return "assembly imports nothing outside itself";
    const fromLevel = LEVELS[fromPart!];
    const toLevel = LEVELS[toPart!];
    if (fromLevel === undefined) return `assembly/${fromPart} has no level`;
    if (toLevel === undefined) return `assembly/${toPart} has no level`;
    if (fromPart === toPart) return undefined;
    if (toLevel < fromLevel) return undefined;
    return toLevel === fromLevel ? `sideways: ${fromPart} and ${toPart} are both level ${toLevel}` : "upward";
  }
  if (fromTop === "boards") {
    if (toTop === "assembly" || (toTop === "boards" && fromPart === toPart)) return undefined;
    if (fromPart === "conventional" && toTop === "boards" && toPart === "ike") return undefined;
    return "a board imports assembly and its own directory";
  }
  if (fromTop === "host") {
    if (toTop === "boards" || toTop === "test") return `the host does not import ${toTop}`;
    if (toTop !== "assembly") return undefined;
    if (toPart === "abi") return undefined;
    if (HARDWARE.some((part) => from.startsWith(`${part}/`))) return "this part of the host imports assembly/abi only";
    return "the host runs firmware as modules: of its sources it imports assembly/abi only";
  }
  return undefined;
}

/** Every line of `source`, a file at `from`, that breaks the rule. */
function violations(from: string, source: string): string[] {
  const found: string[] = [];
  for (const { specifier, line } of importLines(source)) {
    const place = `${from}:${line}: "${specifier}"`;
    if (!specifier.startsWith(".")) {
      if (/^(assembly|boards)\//.test(from)) found.push(`${place}: firmware imports no packages`);
      continue;
    }
    const target = resolveImport(join(ROOT, from), specifier);
    const to = relative(ROOT, target ?? join(ROOT, from, "..", specifier));
    if (target === undefined) found.push(`${place}: no such file`);
    else if (to.startsWith("..")) found.push(`${place}: outside the repository`);
    const reason = allowed(from, to);
    if (reason !== undefined) found.push(`${place}: ${reason}`);
  }
  return found;
}

function sources(directory: string): string[] {
  return (readdirSync(join(ROOT, directory), { recursive: true }) as string[])
    .filter((name) => /\.(ts|mjs|js)$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => `${directory}/${name}`);
}

for (const directory of ["assembly", "boards", "host"]) {
  test(`${directory} imports downward only`, () => {
    const files = sources(directory);
    assert.ok(files.length > 0, "no source found");
    let lines = 0;
    const found: string[] = [];
    for (const file of files) {
      const source = readFileSync(join(ROOT, file), "utf8");
      lines += importLines(source).length;
      found.push(...violations(file, source));
    }
    assert.ok(lines > 0, "no import line found: the reader is blind");
    assert.is(found.join("\n"), "");
  });
}

test("every directory of assembly has a level", () => {
  const directories = readdirSync(join(ROOT, "assembly"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  for (const { name } of directories) assert.ok(name in LEVELS, `assembly/${name}`);
});

const BAD: [string, string, RegExp][] = [
  ["assembly/rt/x.ts", `import { a } from "../bus/frame";`, /upward/],
  ["assembly/bus/x.ts", `import { aes } from "../crypto/aes";`, /sideways/],
  ["assembly/ike/x.ts", `import {\n  a,\n} from "../ipsec/sa";`, /sideways/],
  ["assembly/crypto/x.ts", `export { a } from "../channel/channel";`, /upward/],
  ["assembly/crypto/x.ts", `export * from "../../host/nic/nic";`, /outside itself/],
  ["assembly/abi/x.ts", `import "../rt/map";`, /upward/],
  ["assembly/wire/x.ts", `import { readFileSync } from "node:fs";`, /no packages/],
  ["boards/ike/x.ts", `import { b } from "../ipsec/index";`, /its own directory/],
  ["host/chassis/x.ts", `import { a } from "../../assembly/rt/bytes.ts";`, /assembly\/abi only/],
  ["host/nic/x.ts", `const m = await import("../../assembly/bus/frame.ts");`, /assembly\/abi only/],
  ["host/secure_element/x.ts", `import type { A } from '../../assembly/rt/map.ts'`, /assembly\/abi only/],
  ["host/chassis/x.ts", `import a from "../../boards/ike/index.ts";`, /does not import boards/],
  ["host/chassis/x.ts", `import { a } from "./nothing_of_this_name.ts";`, /no such file/],
];

for (const [from, source, reason] of BAD) {
  test(`finds ${source.replaceAll("\n", " ")} in ${from}`, () => {
    const found = violations(from, `/** import { ok } from "./comment"; */\n${source}\n`);
    assert.is(found.filter((line) => reason.test(line)).length, 1, found.join("\n") || "nothing found");
  });
}

test("leaves alone what is allowed, and what only looks like an import", () => {
  const fine: [string, string][] = [
    ["assembly/bus/port.ts", `import { map } from "../rt/map";\nimport { drop } from "./drop";`],
    ["assembly/ike/x.ts", `import { loadBE16 } from "../rt/bytes";`],
    ["boards/ike/x.ts", `import { map } from "../../assembly/rt/map";`],
    ["host/chassis/x.ts", `import { ABI_VERSION } from "../../assembly/abi/board.ts";\nimport fs from "node:fs";`],
    ["assembly/bus/x.ts", `// import { a } from "../ike/sa";\nconst text = "import x from '../ike/sa'";`],
  ];
  for (const [from, source] of fine) assert.is(violations(from, source).join("\n"), "");
});

test.run();
