/** What npm packs: whoever installs it has all that a gateway runs on, and nothing of the workshop. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { importLines } from "../../host/build/imports.ts";
import { buildPrograms } from "../../host/build/programs.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-package-"));
const installed = join(directory, "node_modules/cardcage");
test.after(() => rmSync(directory, { recursive: true }));

interface Package {
  dependencies: Record<string, string>;
  version: string;
}
const PACKAGE = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Package;
/** Parts of the host that make what the rest runs on. */
const WORKSHOP = /^(build|demo)\//;

test("every package that the host imports while it runs is a dependency, and no development one", () => {
  const files = (readdirSync(join(ROOT, "host"), { recursive: true }) as string[]).filter(
    (file) => /\.(ts|mjs)$/.test(file) && !WORKSHOP.test(file),
  );
  assert.ok(files.length > 100);
  const used = new Set<string>();
  for (const file of files) {
    for (const { specifier } of importLines(readFileSync(join(ROOT, "host", file), "utf8"))) {
      if (specifier.startsWith(".") || specifier.startsWith("node:")) continue;
      const [scope, name] = specifier.split("/");
      used.add(scope!.startsWith("@") ? `${scope}/${name}` : scope!);
    }
  }
  assert.ok(used.has("commander") && used.has("binaryen"));
  assert.equal(
    [...used].filter((name) => !Object.hasOwn(PACKAGE.dependencies, name)),
    [],
  );
});

/** Links the packages that `names` and theirs depend on, and no others. */
function linkDependencies(names: readonly string[], done = new Set<string>()): void {
  for (const name of names) {
    const source = join(ROOT, "node_modules", name);
    if (done.has(name)) continue;
    done.add(name);
    let manifest: { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> };
    try {
      manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8"));
    } catch {
      continue; // an optional one of another machine
    }
    const target = join(directory, "node_modules", name);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(source, target);
    linkDependencies(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }), done);
  }
}

test("the package runs where it is installed, by what was built: it checks, lints its own images, and completes", async () => {
  const programs = (await buildPrograms(false)).map(({ path }) => relative(ROOT, path));
  assert.ok(programs.length > 1);
  // Of sources as they were before: gateways may run on them still.
  const earlier = ["build/threads/host_nic_linux_worker-0123456789abcdef.mjs", "build/cli/cardcage-EARLIER0.mjs"];
  for (const path of earlier) writeFileSync(join(ROOT, path), "");
  const packed = spawnSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", directory], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const path of earlier) rmSync(join(ROOT, path), { force: true });
  assert.is(packed.status, 0, packed.stderr);
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const wanted of [
    "host/cli/cardcage.mjs",
    "host/operator/panel/index.html",
    "host/operator/panel/panel.css",
    "host/operator/panel/panel.mjs",
    ...programs,
    "build/cli/cardcage.json",
    "build/threads/host_secure_element_element_thread.json",
    "build/ike.base.wasm",
    "build/ipsec.simd.wasm",
    "docs/cli.md",
    "docs/schema/sas.schema.json",
    "deploy/systemd/cardcage.service",
    "examples/net-net.conf",
    "README.md",
    "LICENSE",
  ])
    assert.ok(paths.includes(wanted), wanted);
  assert.equal(
    paths.filter((path) => /^(test|boards|node_modules)\/|\.test\.ts$|\.inputs$/.test(path)),
    [],
  );
  const lists = programs.slice(1).map((path) => path.replace(/-[0-9a-f]{16}\.mjs$/, ".json"));
  assert.equal(
    paths.filter((path) => path.startsWith("build/threads/")).sort(),
    [...programs.slice(1), ...lists].sort(),
  );
  const { files: command } = JSON.parse(readFileSync(join(ROOT, "build/cli/cardcage.json"), "utf8")) as {
    files: string[];
  };
  assert.equal(
    paths.filter((path) => path.startsWith("build/cli/")).sort(),
    ["cardcage.json", ...command].map((name) => `build/cli/${name}`).sort(),
  );
  mkdirSync(installed, { recursive: true });
  const opened = spawnSync("tar", ["-xzf", join(directory, filename), "-C", installed, "--strip-components=1"]);
  assert.is(opened.status, 0);
  linkDependencies(Object.keys(PACKAGE.dependencies));
  // What was built says so: else the sources would do for it unnoticed.
  appendFileSync(join(installed, programs[0] as string), '\nconsole.error("this was built");\n');
  const cardcage = (...words: string[]): string => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(installed, "host/cli/cardcage.mjs"), ...words],
      { encoding: "utf8", cwd: directory },
    );
    assert.is(status, 0, stderr);
    assert.is(stderr, "this was built\n");
    return stdout;
  };
  assert.is(cardcage("--version"), `${PACKAGE.version}\n`);
  assert.match(cardcage("check", join(installed, "examples/net-net.conf")), /: ok: 1 connections/);
  assert.match(cardcage("lint", join(installed, "build/ipsec.simd.wasm")), /: ok\n$/);
  assert.match(cardcage("completion", "zsh"), /^#compdef cardcage/);
});

test.run();
