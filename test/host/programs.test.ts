/**
 * The host's programs as `npm run build` makes them: that the command runs what was made, and never what was made of other sources.
 * In a checkout of its own, whose sources can be edited.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Command } from "commander";
import { THREAD_PROGRAMS } from "../../host/build/programs.ts";
import { program } from "../../host/cli/cardcage.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const checkout = mkdtempSync(join(tmpdir(), "cardcage-programs-"));
test.after(() => rmSync(checkout, { recursive: true }));

const built = join(checkout, "build/cli");
/** What is written at the end of what was made, to know who runs. */
const MARK = "this was built";

for (const name of ["host", "assembly/abi", "examples", "package.json", "tsconfig.json"])
  cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));

interface Result {
  path: string;
  built: boolean;
}

/** Makes the programs of the checkout, whose own sources do it. */
const { buildPrograms } = (await import(pathToFileURL(join(checkout, "host/build/programs.ts")).href)) as {
  buildPrograms: (force: boolean) => Promise<Result[]>;
};
async function build(): Promise<Result[]> {
  // What is written while it compiles is refused, by the millisecond.
  await pause(5);
  return buildPrograms(false);
}

/** Runs the command of the checkout. */
function cardcage(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(checkout, "host/cli/cardcage.mjs"), ...words], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const mark = ([{ path }]: Result[]): void => appendFileSync(path, `\nconsole.error(${JSON.stringify(MARK)});\n`);

/** Replaces a text in a source; what was there comes back with what is returned. */
function edit(file: string, from: string, to: string): () => void {
  const path = join(checkout, file);
  const text = readFileSync(path, "utf8");
  assert.ok(text.includes(from), `${from} is in ${file}`);
  writeFileSync(path, text.replace(from, to));
  return () => writeFileSync(path, text);
}

const EXAMPLE = join(checkout, "examples/net-net.conf");

test("what was built is what runs, and is not built again while its sources are the same", async () => {
  assert.not.match(cardcage("--version").stderr, MARK);
  const first = await build();
  assert.is(first.length, 1 + THREAD_PROGRAMS.length);
  assert.ok(first.every((program) => program.built));
  mark(first);
  const { status, stdout, stderr } = cardcage("check", EXAMPLE);
  assert.is(status, 0, stderr);
  assert.match(stdout, /: ok: 1 connections/);
  assert.is(stderr, `${MARK}\n`);
  const second = await build();
  assert.equal(
    second.map(({ path }) => path),
    first.map(({ path }) => path),
  );
  assert.ok(second.every((program) => !program.built));
});

test("an edited source is what runs, and is built by the next build", async () => {
  const restore = edit("host/cli/check.ts", ": ok: ", ": very well: ");
  const edited = cardcage("check", EXAMPLE);
  assert.match(edited.stdout, /: very well: 1 connections/);
  assert.is(edited.stderr, "");
  // A command that does not load the edited file may not pass for current either.
  assert.is(cardcage("--version").stderr, "");
  const [command] = await build();
  assert.ok(command!.built);
  mark([command!]);
  const anew = cardcage("check", EXAMPLE);
  assert.match(anew.stdout, /: very well: 1 connections/);
  assert.is(anew.stderr, `${MARK}\n`);
  restore();
  assert.match(cardcage("check", EXAMPLE).stdout, /: ok: 1 connections/);
  assert.ok((await build())[0]!.built);
  assert.match(cardcage("check", EXAMPLE).stdout, /: ok: 1 connections/);
});

test("a new version in package.json is told", () => {
  const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as { version: string };
  const restore = edit("package.json", `"version": "${version}"`, '"version": "98.7.6"');
  assert.is(cardcage("--version").stdout, "98.7.6\n");
  restore();
});

test("where a part of what was built or the list is missing, the sources run", async () => {
  mark(await build());
  assert.is(cardcage("--version").stderr, `${MARK}\n`);
  const list = join(built, "cardcage.json");
  const { files } = JSON.parse(readFileSync(list, "utf8")) as { files: string[] };
  for (const name of ["cardcage.json", files.find((name) => name.startsWith("chunk-")) as string]) {
    const path = join(built, name);
    const contents = readFileSync(path);
    rmSync(path);
    assert.equal(cardcage("check", EXAMPLE).stderr, "");
    writeFileSync(path, contents);
  }
  for (const broken of ["", "{}", '{"inputs":[],"files":[]}']) {
    const contents = readFileSync(list);
    writeFileSync(list, broken);
    assert.equal(cardcage("--version").stderr, "");
    writeFileSync(list, contents);
  }
  assert.is(cardcage("--version").stderr, `${MARK}\n`);
});

test("builds leave what they made and what they made before it, and nothing else", async () => {
  const listed = (): string[] =>
    (JSON.parse(readFileSync(join(built, "cardcage.json"), "utf8")) as { files: string[] }).files;
  const all = new Set<string>();
  let before: string[] = [];
  for (const word of ["one", "two", "three"]) {
    before = listed();
    before.forEach((name) => all.add(name));
    const restore = edit("host/cli/check.ts", ": ok: ", `: ${word}: `);
    await build();
    restore();
  }
  const left = new Set([...before, ...listed(), "cardcage.json", ".npmignore"]);
  assert.equal(readdirSync(built).sort(), [...left].sort());
  assert.ok(all.size > before.length, "something went");
  await build();
});

test("an error's stack names the TypeScript and its line", async () => {
  const at = "export function check(";
  const restore = edit(
    "host/cli/check.ts",
    at,
    `export function check(): never {\n  throw new Error("on purpose");\n}\nexport function checked(`,
  );
  const line =
    readFileSync(join(checkout, "host/cli/check.ts"), "utf8")
      .split("\n")
      .findIndex((one) => one.includes("on purpose")) + 1;
  for (const make of [() => undefined, build]) {
    await make();
    const { status, stderr } = cardcage("check", EXAMPLE);
    assert.is(status, 1);
    assert.match(stderr, "on purpose");
    assert.match(stderr, new RegExp(`host/cli/check\\.ts:${line}:\\d+`));
  }
  restore();
  await build();
});

test("every place that a module knows from its own is where it was", () => {
  const outputs = readdirSync(built).filter((name) => name.endsWith(".mjs"));
  const PLACE = /new URL\("([^"]+)", import\.meta\.url\)\.href/g;
  let places = 0;
  for (const name of outputs) {
    const text = readFileSync(join(built, name), "utf8");
    const own = [...text.matchAll(PLACE)].map((match) => match[1] as string);
    assert.is(text.split("import.meta").length - 1, own.length, `${name} has no import.meta but these`);
    for (const path of own) {
      const source = join(built, path);
      assert.ok(existsSync(source) && source.startsWith(join(checkout, "host")), path);
    }
    places += own.length;
  }
  const sources = (readdirSync(join(checkout, "host"), { recursive: true }) as string[]).filter((name) =>
    name.endsWith(".ts"),
  );
  assert.ok(places >= 8, `${places} places`);
  assert.ok(sources.length > 100);
});

test("every thread that is started is among those that are built", () => {
  const started = new Set<string>();
  const files = (readdirSync(join(ROOT, "host"), { recursive: true }) as string[]).filter((name) =>
    name.endsWith(".ts"),
  );
  for (const file of files)
    for (const [, place] of readFileSync(join(ROOT, "host", file), "utf8").matchAll(
      /new URL\(([^()]*), import\.meta\.url\)/g,
    ))
      for (const [, path] of (place as string).matchAll(/"([^"]+\.ts)"/g))
        started.add(relative(ROOT, fileURLToPath(new URL(path as string, pathToFileURL(join(ROOT, "host", file))))));
  started.delete("host/build/programs.ts");
  assert.equal([...started].sort(), [...THREAD_PROGRAMS].sort());
});

/** Every command, by its words. */
const commandsOf = (command: Command, words: string[] = []): string[][] => [
  words,
  ...command.commands.flatMap((one) => commandsOf(one, [...words, one.name()])),
];

test("every part of what was built loads, and every command's help is as the sources have it", async () => {
  await build();
  for (const name of readdirSync(built).filter((name) => name.endsWith(".mjs") && !name.startsWith("cardcage-")))
    await import(pathToFileURL(join(built, name)).href);
  const { files } = JSON.parse(readFileSync(join(built, "cardcage.json"), "utf8")) as { files: string[] };
  const made = (await import(pathToFileURL(join(built, files[0] as string)).href)) as { program: typeof program };
  const [ours, theirs] = [program, made.program].map((make) => make(() => undefined)) as [Command, Command];
  const all = commandsOf(ours);
  assert.ok(all.length > 30);
  for (const words of all) {
    const [wanted, found] = [ours, theirs].map((root) => {
      const command = words.reduce((one, word) => one.commands.find((sub) => sub.name() === word) as Command, root);
      return command.helpInformation();
    });
    assert.is(found, wanted, words.join(" "));
  }
  for (const words of [[], ["image", "sign"]]) {
    const { status, stdout } = cardcage(...words, "--help");
    assert.is(status, 0);
    assert.match(stdout, `Usage: ${["cardcage", ...words].join(" ")} `);
  }
});

test("what is built takes room once", () => {
  // Sources are beside the maps: they are not in them, too.
  for (const name of readdirSync(built).filter((name) => name.endsWith(".map"))) {
    const map = JSON.parse(readFileSync(join(built, name), "utf8")) as { sources: string[]; sourcesContent?: unknown };
    assert.is(map.sourcesContent, undefined, name);
    for (const source of map.sources) assert.ok(statSync(join(built, source)).isFile(), source);
  }
});

test.run();
