/**
 * The build driver: board.json is read strictly, what must not compile does not, what breaks the ABI gets no image, and the
 * images in build/ are what their manifests say.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseBoardFile, readBoards } from "../../host/build/board_file.ts";
import { buildAll, buildEntry, imagePath, postLink } from "../../host/build/build.ts";
import { ROOT } from "../../host/build/compile.ts";
import { importLines } from "../../host/build/imports.ts";
import { inputDigest } from "../../host/build/inputs.ts";
import { lintModule } from "../../host/image/lint.ts";
import { BUILDS, MANIFEST_SECTION } from "../../host/image/manifest.ts";
import { readSections } from "../../host/image/sections.ts";

const BOARD = {
  name: "toy",
  class: "ipsec",
  ram: { least: 16, most: 32, per_ike_sa: 0, per_sa: 0 },
  ports: ["unprotected", "protected", "channel", "management"],
  peers: ["ike"],
};

function parse(change: object): unknown {
  return parseBoardFile(JSON.stringify({ ...BOARD, ...change }), "toy");
}

test("board.json is read strictly", () => {
  assert.equal(parse({}), BOARD);
  const wrong: [object, RegExp][] = [
    [{ name: "other" }, /the directory is "toy"/],
    [{ class: "router" }, /"class" is none of ike, ipsec/],
    [{ ram: 16 }, /"ram" is missing or no object/],
    [{ ram: { least: 0, most: 32, per_ike_sa: 0, per_sa: 0 } }, /"ram" is not of 1 to 65536 pages/],
    [{ ram: { least: 16, most: 65537, per_ike_sa: 0, per_sa: 0 } }, /"ram" is not of 1 to 65536 pages/],
    [{ ram: { least: 16, most: 32, per_ike_sa: "1", per_sa: 0 } }, /"ram" has no "per_ike_sa"/],
    [{ ports: undefined }, /"ports" is missing/],
    [{ ports: ["protected", "unprotected"] }, /in its order/],
    [{ ports: ["unprotected", "serial"] }, /"serial"/],
    [{ peers: ["ike", "ike"] }, /twice/],
    [{ memory: 3 }, /"memory" is no key of a board/],
  ];
  for (const [change, pattern] of wrong) assert.throws(() => parse(change), pattern, JSON.stringify(change));
  for (const text of ["", "{", "[]", "null", "3"]) assert.throws(() => parseBoardFile(text, "toy"), /board\.json/);
});

test("import lines are found and comments are not", () => {
  const source = [
    `import "./a";`,
    `import { b } from "./b"; // import "./not"`,
    `/* import "./nor"; */ export * from './c';`,
    `import type {`,
    `  D,`,
    `} from "./d.ts";`,
    `const e = await import("./e");`,
    `const text = "import './f'";`,
    `export const from = "./g";`,
  ].join("\n");
  assert.equal(
    importLines(source).map(({ specifier, line }) => `${line} ${specifier}`),
    ["1 ./a", "2 ./b", "3 ./c", "6 ./d.ts", "7 ./e"],
  );
});

async function refuses(entry: string, build: "simd" | "base", pattern: RegExp): Promise<void> {
  let message = "";
  try {
    await buildEntry(entry, build);
  } catch (error) {
    message = (error as Error).message;
  }
  assert.match(message, pattern);
}

test("a managed allocation fails the build", async () => {
  await refuses("test/entries/bad_allocation.ts", "simd", /firmware may not allocate managed objects/);
  await refuses("test/entries/bad_array.ts", "simd", /firmware may not allocate/);
});

test("SIMD without its guard fails the base build and no other", async () => {
  await refuses("test/entries/bad_simd.ts", "base", /does not compile/);
  assert.ok(existsSync(await buildEntry("test/entries/bad_simd.ts", "simd")));
});

test("an entry that does not exist is an error", async () => {
  await refuses("test/entries/nothing.ts", "simd", /no such entry/);
});

test("the digest of inputs changes with parameters and covers what is imported", () => {
  const entry = join(ROOT, "boards/ipsec/index.ts");
  const digest = inputDigest(entry, [], "a");
  assert.is(inputDigest(entry, [], "a"), digest);
  assert.is.not(inputDigest(entry, [], "b"), digest);
  assert.is.not(inputDigest(entry, [join(ROOT, "boards/ipsec/board.json")], "a"), digest);
});

test("a module that is no board gets no image", async () => {
  const [board] = readBoards(join(ROOT, "boards"));
  const bytes = readFileSync(await buildEntry("test/entries/bad_simd.ts", "simd"));
  assert.throws(() => postLink(bytes, board!, "simd", "0"), /no export "boardMap"/);
  assert.throws(() => postLink(bytes, board!, "base", "0"), /simd in a base build/);
});

test("every board has three images, as their manifests say", async () => {
  const results = await buildAll();
  const boards = readBoards(join(ROOT, "boards"));
  const parts = ["classifier"];
  assert.equal(
    results.map(({ image }) => image).sort(),
    [...boards.map(({ name }) => name), ...parts].flatMap((name) => BUILDS.map((build) => `${name}.${build}`)).sort(),
  );
  for (const board of boards) {
    for (const build of BUILDS) {
      const path = imagePath(board.name, build);
      const bytes = readFileSync(path);
      const report = lintModule(bytes, { build });
      assert.equal([...report.errors, ...report.warnings], [], path);
      assert.equal(report.ram, { least: board.ram.least, most: board.ram.most });
      assert.equal(report.manifest?.ram, board.ram);
      assert.is(report.manifest?.name, board.name);
      assert.is(report.manifest?.class, board.class);
      assert.is(report.manifest?.build, build);
      assert.equal(report.manifest?.ports, board.ports);
      if (build === "base") assert.not.ok(report.features.includes("simd"), path);
    }
  }
});

/** One digest over the inputs of all boards: an edit while a test runs is none of its business. */
function inputs(): string {
  return readBoards(join(ROOT, "boards"))
    .map(({ name }) => inputDigest(join(ROOT, "boards", name, "index.ts"), [], name))
    .join();
}

test("built again, nothing is made anew", async () => {
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = inputs();
    const first = await buildAll();
    const times = first.map(({ path }) => statSync(path).mtimeMs);
    const second = await buildAll();
    if (inputs() !== before) continue;
    assert.equal(
      second.map(({ built }) => built),
      second.map(() => false),
    );
    assert.equal(
      second.map(({ path }) => statSync(path).mtimeMs),
      times,
    );
    return;
  }
  assert.unreachable("the sources do not stand still");
});

test("the source map lies beside the image, and its offsets are the code's", async () => {
  const boards = readBoards(join(ROOT, "boards")).map(({ name }) => name);
  for (const { path } of await buildAll({ boards })) {
    const bytes = readFileSync(path);
    const sections = readSections(bytes);
    const link = sections.customs.find(({ name }) => name === "sourceMappingURL");
    const url = Buffer.from(link!.payload.subarray(1)).toString("utf8");
    assert.is(basename(url), `${basename(path)}.map`);
    const map = JSON.parse(readFileSync(join(dirname(path), basename(url)), "utf8"));
    // One generated "line"; columns are offsets in the module. The last must lie in the last function that has a body.
    const offsets = columns(map.mappings as string);
    const first = sections.bodies[0]!.start;
    const last = sections.bodies.at(-1)!.end;
    assert.ok(offsets.length > 100, `${offsets.length} mappings`);
    assert.ok(
      offsets.every((offset) => offset >= first && offset < last),
      path,
    );
    assert.is(sections.customs.at(-1)?.name, MANIFEST_SECTION);
  }
});

/** Generated columns of the first line of a source map's mappings (base64 VLQ). */
function columns(mappings: string): number[] {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  let column = 0;
  return mappings
    .split(";")[0]!
    .split(",")
    .map((segment) => {
      let value = 0;
      let shift = 0;
      for (const letter of segment) {
        const digit = digits.indexOf(letter);
        value += (digit & 31) * 2 ** shift;
        if ((digit & 32) === 0) break;
        shift += 5;
      }
      column += value & 1 ? -Math.floor(value / 2) : Math.floor(value / 2);
      return column;
    });
}

test.run();
