/**
 * lintModule: a board passes, a module that breaks one rule is told which, and no octets whatever make it throw.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import binaryen from "../../host/image/binaryen.ts";
import { lintModule } from "../../host/image/lint.ts";
import type { LintReport } from "../../host/image/lint.ts";
import { appendManifest, MANIFEST_SECTION } from "../../host/image/manifest.ts";
import type { Build, Manifest } from "../../host/image/manifest.ts";
import { readSections } from "../../host/image/sections.ts";

const COMPACT_IMPORTS = 1 << 26;
const MEMORY = `(import "env" "memory" (memory 4 4))`;
const MAP = `(func (export "boardMap") (result i32) (i32.const 64))`;
const RESET = `(func (export "boardReset"))`;
const POLL = `(func (export "boardPoll") (result i32) (i32.const 0))`;

/** Octets of a module in binaryen's text format, with all features allowed but a new encoding of imports. */
function assemble(...fields: string[]): Uint8Array {
  const module = binaryen.parseText(`(module ${fields.join(" ")})`);
  module.setFeatures(binaryen.Features.All & ~COMPACT_IMPORTS);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

/** A board with `body` inside boardReset. */
function boardDoing(body: string, ...fields: string[]): Uint8Array {
  return assemble(MEMORY, ...fields, MAP, `(func (export "boardReset") ${body})`, POLL);
}

const GOOD = assemble(MEMORY, MAP, RESET, POLL);
const MANIFEST: Omit<Manifest, "sha256"> = {
  name: "ipsec",
  class: "ipsec",
  version: "1.2.3",
  abi: 1,
  build: "simd",
  ram: { least: 4, most: 4, per_ike_sa: 0, per_sa: 0 },
  ports: ["unprotected"],
  peers: ["ike"],
  compiler: "by hand",
};

function complains(report: LintReport, pattern: RegExp): void {
  assert.ok(
    report.errors.some((error) => pattern.test(error)),
    `${pattern} is not among: ${report.errors.join(" | ") || "no errors"}`,
  );
}

test("a board passes", () => {
  const report = lintModule(GOOD);
  assert.equal(report.errors, []);
  assert.equal(report.ram, { least: 4, most: 4 });
  assert.equal(report.features, []);
  assert.equal(
    report.exports.map(({ name, signature }) => `${name}${signature}`),
    ["boardMap()->(i32)", "boardReset()->()", "boardPoll()->(i32)"],
  );
  assert.match(report.warnings.join(), MANIFEST_SECTION);
});

const RULES: [string, () => Uint8Array, RegExp][] = [
  [
    "imported function",
    () => assemble(MEMORY, `(import "env" "log" (func))`, MAP, RESET, POLL),
    /import of function "env"."log"/,
  ],
  ["imported global", () => assemble(`(import "env" "g" (global i32))`, MEMORY, MAP, RESET, POLL), /import of global/],
  [
    "imported table",
    () => assemble(`(import "env" "t" (table 1 funcref))`, MEMORY, MAP, RESET, POLL),
    /import of table/,
  ],
  ["memory of its own", () => assemble(`(memory 4 4)`, MAP, RESET, POLL), /no import of memory/],
  [
    "memory of another name",
    () => assemble(`(import "env" "ram" (memory 4 4))`, MAP, RESET, POLL),
    /import of memory "env"."ram"/,
  ],
  [
    "memory without maximum",
    () => assemble(`(import "env" "memory" (memory 4))`, MAP, RESET, POLL),
    /without a maximum/,
  ],
  ["shared memory", () => assemble(`(import "env" "memory" (memory 4 4 shared))`, MAP, RESET, POLL), /shared memory/],
  ["64-bit memory", () => assemble(`(import "env" "memory" (memory i64 4 4))`, MAP, RESET, POLL), /64-bit addresses/],
  ["missing boardPoll", () => assemble(MEMORY, MAP, RESET), /no export "boardPoll"/],
  [
    "wrong signature",
    () => assemble(MEMORY, MAP, `(func (export "boardReset") (param i32))`, POLL),
    /"boardReset" has signature \(i32\)->\(\)/,
  ],
  [
    "export of another kind",
    () => assemble(MEMORY, `(global (export "boardMap") i32 (i32.const 0))`, RESET, POLL),
    /"boardMap" is a global/,
  ],
  ["export too many", () => assemble(MEMORY, MAP, RESET, POLL, `(func (export "debug"))`), /"debug" is not part/],
  [
    "exported memory",
    () => assemble(MEMORY, MAP, RESET, POLL, `(export "memory" (memory 0))`),
    /export of memory "memory"/,
  ],
  ["start section", () => assemble(MEMORY, MAP, RESET, POLL, `(func $s) (start $s)`), /start section/],
  ["memory.grow", () => boardDoing(`(drop (memory.grow (i32.const 0)))`), /memory\.grow/],
  [
    "memory.grow nobody calls",
    () => assemble(MEMORY, MAP, RESET, POLL, `(func (drop (memory.grow (i32.const 1))))`),
    /function 3, code offset 0x[0-9a-f]+: memory\.grow/,
  ],
  ["data outside RAM", () => assemble(MEMORY, `(data (i32.const 262140) "12345")`, MAP, RESET, POLL), /outside RAM/],
  [
    "data at a negative address",
    () => assemble(MEMORY, `(data (i32.const -4) "12345")`, MAP, RESET, POLL),
    /outside RAM/,
  ],
  ["atomics", () => boardDoing(`(drop (i32.atomic.load (i32.const 0)))`), /threads/],
  ["exceptions", () => boardDoing(`(throw $t)`, `(tag $t)`), /exception handling/],
  ["a tag", () => assemble(MEMORY, `(tag $t)`, MAP, RESET, POLL), /tag section/],
  ["tail call", () => boardDoing(`(return_call $f)`, `(func $f)`), /tail calls/],
  ["references", () => boardDoing(`(drop (ref.null func))`), /reference types/],
  ["garbage collection", () => boardDoing(`(drop (ref.i31 (i32.const 0)))`), /garbage collection/],
  ["two memories", () => boardDoing(`(i32.store $m (i32.const 0) (i32.const 0))`, `(memory $m 1 1)`), /2 memories/],
  [
    "struct types",
    () => boardDoing("", `(type $s (struct (field i32)))`, `(func (param (ref null $s)))`),
    /type of form/,
  ],
];

for (const [name, make, pattern] of RULES) {
  test(`refuses: ${name}`, () => complains(lintModule(make()), pattern));
}

const SIMD = boardDoing(`(v128.store (i32.const 0) (i8x16.splat (i32.const 1)))`);
const RELAXED = boardDoing(
  `(v128.store (i32.const 0) (i8x16.relaxed_swizzle (v128.load (i32.const 0)) (v128.load (i32.const 16))))`,
);

test("SIMD belongs to the simd and relaxed builds, relaxed SIMD to relaxed", () => {
  const errors = (bytes: Uint8Array, build: Build): number => lintModule(bytes, { build }).errors.length;
  assert.equal(lintModule(SIMD).features, ["simd"]);
  assert.equal(lintModule(RELAXED).features, ["relaxed-simd", "simd"]);
  assert.is(errors(GOOD, "base"), 0);
  assert.is(errors(SIMD, "simd"), 0);
  assert.is(errors(SIMD, "relaxed"), 0);
  assert.is(errors(RELAXED, "relaxed"), 0);
  complains(lintModule(SIMD, { build: "base" }), /simd in a base build/);
  complains(lintModule(RELAXED, { build: "base" }), /relaxed-simd in a base build/);
  complains(lintModule(RELAXED, { build: "simd" }), /relaxed-simd in a simd build/);
});

test("a SIMD local without any SIMD instruction counts as SIMD", () => {
  complains(lintModule(boardDoing(`(local v128)`), { build: "base" }), /simd in a base build/);
});

test("what asc emits by default is allowed in every build", () => {
  const body = `(drop (i32.extend8_s (i32.const 200))) (drop (i32.trunc_sat_f32_s (f32.const 1e30)))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 8)) (memory.copy (i32.const 0) (i32.const 8) (i32.const 8))`;
  const report = lintModule(boardDoing(body), { build: "base" });
  assert.equal(report.errors, []);
  assert.equal(report.features, ["bulk-memory", "nontrapping-float-to-int", "sign-extension"]);
});

test("control flow, calls, constants and tables are stepped over rightly", () => {
  const bytes = assemble(
    MEMORY,
    `(type $v (func))`,
    `(table 2 2 funcref)`,
    `(elem (i32.const 0) $a $a)`,
    `(global $g (mut i64) (i64.const -1))`,
    `(data (i32.const 16) "memory.grow \\40\\00")`,
    `(func $a (local i32 i64 f32 f64)
      (block $b (loop $l (if (local.get 0) (then (br $b)) (else (br_if $l (i32.const -64))))))
      (block $x (block $y (block $z (br_table $x $y $z (i32.const 1)))))
      (global.set $g (i64.const 0x4040404040404040))
      (local.set 2 (f32.const 2)) (local.set 3 (f64.const 2))
      (call_indirect (type $v) (i32.const 0))
      (i64.store8 offset=64 (i32.const 0x40) (i64.const 64))
      (drop (memory.size)) (drop (select (i32.const 1) (i32.const 2) (i32.const 3))))`,
    MAP,
    RESET,
    POLL,
  );
  assert.equal(lintModule(bytes, { build: "base" }).errors, []);
});

test("the manifest is appended octet-wise and read back", () => {
  const linked = appendManifest(GOOD, MANIFEST);
  assert.equal(linked.subarray(0, GOOD.length), Buffer.from(GOOD));
  const report = lintModule(linked);
  assert.equal(report.errors, []);
  assert.equal(report.warnings, []);
  assert.is(report.manifest?.version, "1.2.3");
  const engine = WebAssembly.Module.customSections(new WebAssembly.Module(Uint8Array.from(linked)), MANIFEST_SECTION);
  assert.is(engine.length, 1);
  assert.equal(JSON.parse(Buffer.from(engine[0]!).toString("utf8")), report.manifest);
  assert.throws(() => appendManifest(linked, MANIFEST), /already has a manifest/);
});

test("a manifest that does not fit its module is refused", () => {
  const spoiled = appendManifest(GOOD, MANIFEST);
  spoiled[GOOD.length - 2]! ^= 1; // boardPoll's constant
  complains(lintModule(spoiled), /sha256/);
  for (const [least, most] of [
    [5, 5],
    [4, 5],
  ]) {
    const ram = { ...MANIFEST.ram, least, most };
    complains(
      lintModule(appendManifest(GOOD, { ...MANIFEST, ram })),
      new RegExp(`RAM of ${least} to ${most} pages, the module has 4 to 4`),
    );
  }
  complains(lintModule(appendManifest(GOOD, { ...MANIFEST, abi: 99 })), /board ABI 99/);
  complains(lintModule(appendManifest(SIMD, { ...MANIFEST, build: "base" })), /simd in a base build/);
  const wrong: [object, RegExp][] = [
    [{ class: "toaster" }, /"class" is none of/],
    [{ build: "fast" }, /"build" is none of/],
    [{ ram: 4 }, /"ram" is missing or no object/],
    [{ ram: { ...MANIFEST.ram, least: 1.5 } }, /"ram" has no "least", or it is no number/],
    [{ ram: { ...MANIFEST.ram, most: 3 } }, /"ram" is not of 1 to 65536 pages, the least first/],
    [{ ram: { ...MANIFEST.ram, more: 3 } }, /"ram" holds "more"/],
    [{ ports: ["serial"] }, /"ports" holds "serial"/],
    [{ peers: "ike" }, /"peers" is missing or no list/],
    [{ name: 3 }, /"name" is missing or no text/],
  ];
  for (const [change, pattern] of wrong) {
    complains(lintModule(appendManifest(GOOD, { ...MANIFEST, ...change } as Manifest)), pattern);
  }
});

function section(payload: string): Uint8Array {
  const name = Buffer.from(MANIFEST_SECTION);
  const body = Buffer.concat([Buffer.from([name.length]), name, Buffer.from(payload)]);
  return Buffer.concat([GOOD, Buffer.from([0, body.length]), body]);
}

test("a manifest section of any content is an error, not an exception", () => {
  for (const payload of ["", "{", "null", "[]", "7", '"text"', "{}", "\u0000"]) {
    complains(lintModule(section(payload)), /manifest/);
  }
});

test("a module that is none is told so", () => {
  complains(lintModule(new Uint8Array(0)), /shorter than its header/);
  complains(lintModule(Buffer.from("GIF89a, not wasm")), /no magic/);
  complains(lintModule(Buffer.from("0061736d0d000100", "hex")), /version 1/);
});

test("every truncation is refused", () => {
  for (const whole of [GOOD, appendManifest(SIMD, MANIFEST)]) {
    for (let length = 0; length < whole.length; length++) {
      const { errors, warnings } = lintModule(whole.subarray(0, length));
      // Cut at the edge of a custom section at the end, what is left is a board that never had it.
      const whole_ = errors.length === 0 && warnings.length > 0;
      assert.ok(errors.length > 0 || (whole_ && length >= SIMD.length), `cut at ${length} of ${whole.length}`);
    }
  }
});

/** xorshift32: the same octets on every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

test("random octets and random mutations give a report, never an exception", () => {
  const random = generator(0x0badcafe);
  const linked = appendManifest(SIMD, MANIFEST);
  let refused = 0;
  const rounds = 3000;
  for (let round = 0; round < rounds; round++) {
    let bytes: Uint8Array;
    if (round % 3 === 0) {
      bytes = Uint8Array.from({ length: random() % 200 }, () => random() & 0xff);
      if (round % 2 === 0) bytes.set(GOOD.subarray(0, Math.min(8, bytes.length)));
    } else {
      bytes = Uint8Array.from(linked);
      for (let n = 1 + (random() % 4); n > 0; n--) bytes[random() % bytes.length] = random() & 0xff;
    }
    const report = lintModule(bytes);
    if (report.errors.length > 0) refused += 1;
    for (const error of report.errors) assert.type(error, "string");
  }
  assert.ok(refused > rounds * 0.9, `${refused} of ${rounds} refused`);
});

test("sections are found where they stand", () => {
  const linked = appendManifest(GOOD, MANIFEST);
  const [custom] = readSections(linked).customs;
  assert.is(custom?.start, GOOD.length);
  assert.is(custom?.end, linked.length);
});

test.run();
