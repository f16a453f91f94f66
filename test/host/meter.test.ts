/** Metered copies of images: they are modules, do the same, count every call and turn, and their offsets lead back. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_DIRECTORY, parseImage } from "../../host/chassis/image.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import binaryen from "../../host/image/binaryen.ts";
import { FUEL_EXPORT, meter, originalOffset } from "../../host/image/meter.ts";
import { readSections } from "../../host/image/sections.ts";

const images = ["ike", "ipsec"]
  .flatMap((board) => ["simd", "base"].map((build) => join(BUILD_DIRECTORY, `${board}.${build}.wasm`)))
  .filter((path) => existsSync(path))
  .map((path) => [path, new Uint8Array(readFileSync(path))] as const);

test("every image has a metered copy that the engine takes; the image itself knows no fuel", () => {
  assert.ok(images.length > 0, "npm run build makes them");
  for (const [path, octets] of images) {
    assert.not.ok(
      readSections(octets).exports.some(({ name }) => name === FUEL_EXPORT),
      path,
    );
    const copy = meter(octets).octets;
    assert.ok(WebAssembly.validate(copy), path);
    const { name, pages } = parseImage(octets, "x", undefined, true);
    assert.equal([name, pages], ["x.metered", parseImage(octets, "x").pages]);
    assert.throws(() => meter(copy), /boardFuel is taken/);
  }
});

test("every offset of a copy leads to the same octet of the original, or to the instruction that a point stands in front of", () => {
  const random = new SeededRandom(3);
  for (const [, octets] of images) {
    const { octets: copy, shifts } = meter(octets);
    const inserted = new Set<number>();
    shifts.forEach(({ at, octets: shift }, i) => {
      const growth = shift - (i > 0 ? shifts[i - 1]!.octets : 0);
      for (let k = 0; k < growth; k++) inserted.add(at + k);
    });
    const [first] = readSections(copy).bodies;
    let equal = 0;
    for (let i = 0; i < 20_000; i++) {
      const offset = first!.start + random.below(copy.length - first!.start);
      if (inserted.has(offset)) continue;
      // Sizes in front of bodies differ, nothing else does.
      if (copy[offset] === octets[originalOffset(shifts, offset)]) equal += 1;
      else
        assert.ok(
          shifts.some(({ at }) => Math.abs(at - offset) < 6),
          `offset ${offset}`,
        );
    }
    assert.ok(equal > 5000);
  }
});

test("a call and each turn of a loop cost one, and the call that wants more traps", () => {
  const text = binaryen.parseText(`(module
    (global $other (mut i32) (i32.const 0))
    (func (export "turn") (param i32) (result i32)
      (loop $again
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
      (global.get $other))
    (func (export "call") (result i32) (call $inner) (i32.const 7))
    (func $inner (global.set $other (i32.const 9))))`);
  const { octets } = meter(text.emitBinary());
  text.dispose();
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(octets));
  const {
    turn,
    call,
    [FUEL_EXPORT]: fuel,
  } = exports as unknown as {
    turn(turns: number): number;
    call(): number;
  } & Record<typeof FUEL_EXPORT, WebAssembly.Global>;
  fuel.value = 100n;
  assert.is(call(), 7);
  assert.is(fuel.value, 98n);
  assert.is(turn(10), 9);
  assert.is(fuel.value, 87n);
  assert.is(turn(86), 9);
  assert.is(fuel.value, 0n);
  assert.throws(() => turn(1), /unreachable/);
  assert.is(fuel.value, -1n);
  fuel.value = 5n;
  assert.throws(() => turn(1000), /unreachable/);
});

test.run();
