/**
 * The PRFs, prf+ and the streaming MACs of every build that this engine validates, against node:crypto and the slow twins: every
 * length, keys of any length, every division into updates, every output length.
 *
 * The cases are random: CARDCAGE_SEED repeats those of the seed that is printed.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "uvu";
import { slow } from "../reference/cipher_suite.ts";
import { openssl } from "../reference/openssl.ts";
import { prf, PRFS, prfPlus } from "../reference/prf.ts";
import { Kernels, type Scratch } from "../vectors/kernels.ts";
import { Dice } from "./guarded_packets.ts";

const seed = process.env.CARDCAGE_SEED ?? randomBytes(6).toString("hex");
console.log(`CARDCAGE_SEED=${seed}`);
const dice = new Dice(seed);
const kernels = await Kernels.create();
const IDS = Object.keys(PRFS).map(Number);
/** Shorter than a block of AES, one, longer; as long as a hash's block, and longer. */
const KEY_LENGTHS = [0, 1, 15, 16, 17, 20, 32, 64, 65, 128, 129, 300];

function eachBuild(kernel: string, use: (scratch: Scratch, build: string) => void): void {
  for (const build of kernels.builds) {
    build.with(kernel, (scratch) => {
      use(scratch, build.name);
      scratch.done();
    });
  }
}

test("the twins agree: PRFs of any key, and prf+", () => {
  for (const id of IDS) {
    for (const keyLength of [0, 7, 16, 21, 140]) {
      const [key, message] = [dice.octets(keyLength), dice.octets(dice.below(150))];
      assert.deepEqual([...prf(slow, id, key, message)], [...prf(openssl, id, key, message)], `PRF ${id} ${seed}`);
    }
    const [key, text] = [dice.octets(16), dice.octets(40)];
    assert.ok(prfPlus(slow, id, key, text, 150).equals(prfPlus(openssl, id, key, text, 150)), `prf+ of ${id} ${seed}`);
  }
});

test("every PRF of messages of every length up to 300, under keys of any length", () => {
  for (const id of IDS) {
    for (let length = 0; length <= 300; length++) {
      const key = dice.octets(KEY_LENGTHS[length % KEY_LENGTHS.length]!);
      const message = dice.octets(length);
      const expected = prf(openssl, id, key, message);
      assert.ok(kernels.prf(id, key, message).equals(expected), `PRF ${id}, ${key.length} and ${length}, ${seed}`);
    }
  }
});

test("every PRF in two updates, divided at every octet, message after message; and in updates of any length", () => {
  for (const id of IDS) {
    const key = dice.octets(KEY_LENGTHS[dice.below(KEY_LENGTHS.length)]!);
    const message = dice.octets(273);
    eachBuild("prfInit", (s, build) => {
      const { octets } = PRFS[id]!;
      const [context, out] = [s.take(s.constant("PRF_CONTEXT_OCTETS")), s.take(octets)];
      const at = s.put(message);
      s.call.prfInit(context, id, s.put(key), key.length);
      for (const whole of [0, 16, 64, 128, 129, message.length]) {
        const expected = prf(openssl, id, key, message.subarray(0, whole));
        for (let split = 0; split <= whole; split++) {
          s.call.prfUpdate(context, at, split);
          s.call.prfUpdate(context, at + split, whole - split);
          s.call.prfFinal(context, out);
          assert.ok(s.get(out, octets).equals(expected), `${build}, PRF ${id}, ${split} of ${whole}, ${seed}`);
        }
        for (let round = 0; round < 40; round++) {
          for (let done = 0; done < whole; ) {
            const some = Math.min(dice.below(40), whole - done);
            s.call.prfUpdate(context, at + done, some);
            done += some;
          }
          s.call.prfFinal(context, out);
          assert.ok(s.get(out, octets).equals(expected), `${build}, PRF ${id} in pieces, ${seed}`);
        }
      }
    });
  }
});

test("CMAC with keys of every size and XCBC, divided at every octet", () => {
  for (const keyLength of [16, 24, 32]) {
    const [key, message] = [dice.octets(keyLength), dice.octets(82)];
    for (const name of keyLength === 16 ? (["cmac", "xcbc"] as const) : (["cmac"] as const)) {
      const expected = openssl[name](key, message);
      eachBuild(`${name}Init`, (s, build) => {
        const [context, out] = [s.take(s.constant(`${name.toUpperCase()}_CONTEXT_OCTETS`)), s.take(16)];
        const at = s.put(message);
        s.call[`${name}Init`](context, s.put(key), key.length);
        for (let split = 0; split <= message.length; split++) {
          s.call[`${name}Update`](context, at, split);
          s.call[`${name}Update`](context, at + split, message.length - split);
          s.call[`${name}Final`](context, out);
          assert.ok(s.get(out, 16).equals(expected), `${build}, ${name}-${keyLength * 8} at ${split}, ${seed}`);
        }
      });
    }
  }
});

test("prf+ of every PRF: every length up to 300, and all 255 blocks", () => {
  for (const id of IDS) {
    const { octets } = PRFS[id]!;
    const key = dice.octets(KEY_LENGTHS[dice.below(KEY_LENGTHS.length)]!);
    const text = dice.octets(dice.below(200));
    const whole = prfPlus(openssl, id, key, text, 255 * octets);
    for (const length of [...Array.from({ length: 301 }, (_, i) => i), 255 * octets - 1, 255 * octets]) {
      const out = kernels.prfPlus(id, key, text, length);
      assert.ok(out.equals(whole.subarray(0, length)), `prf+ of ${id}, ${length} octets, ${seed}`);
    }
  }
});

test("an identifier without a PRF has no output", () => {
  eachBuild("prfOctets", (s) => {
    for (let id = 0; id < 64; id++) assert.equal(s.call.prfOctets(id), PRFS[id]?.octets ?? 0);
  });
});

test.run();
