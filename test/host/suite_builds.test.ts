/**
 * The cipher suites of every build that this engine validates: every transform, against node:crypto and the slow twins; every
 * length, alignment and list; guard octets around each packet; and everything that must be refused.
 *
 * The cases are random: CARDCAGE_SEED repeats those of the seed that is printed.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "uvu";
import { keymatOctets, sealPacket, slow, TWIN_SUITES, type TwinSuite } from "../reference/cipher_suite.ts";
import { openssl } from "../reference/openssl.ts";
import {
  ARENA,
  compareImage,
  Dice,
  doneJobs,
  fillJobs,
  LIST_MAX,
  MEMORY,
  newPacket,
  newSa,
  openSa,
  proveStretch,
  Stretch,
  suiteBuilds,
  type Packet,
  type Sa,
  type SuiteBuild,
} from "./guarded_packets.ts";

const seed = process.env.CARDCAGE_SEED ?? randomBytes(6).toString("hex");
console.log(`CARDCAGE_SEED=${seed}`);
const builds = await suiteBuilds();
const RANDOM_ARENA_END = MEMORY - (1 << 20);

/** A test with dice of its own, so that it may be repeated without the others. */
function diceTest(name: string, run: (dice: Dice) => void): void {
  test(name, () => {
    try {
      run(new Dice(`${seed} ${name}`));
    } catch (error) {
      (error as Error).message += ` (CARDCAGE_SEED=${seed})`;
      throw error;
    }
  });
}

/** The length that the suite's cipher takes: CBC wants whole blocks. */
function fitting(suite: TwinSuite, length: number): number {
  return suite.mode === "cbc" ? length & ~15 : length;
}

function packetsOf(dice: Dice, sa: Sa, lengths: number[]): Packet[] {
  return lengths.map((length, i) =>
    newPacket(dice, sa, fitting(sa.suite, length), [8, 32, dice.below(64)][dice.below(3)]!, i % 3 === 0),
  );
}

test("the builds are those with and without SIMD, and the table has every transform", () => {
  assert.ok(builds.some(({ name }) => name === "base") && builds.some(({ name }) => name === "simd"));
  assert.equal(TWIN_SUITES.length, 64);
  for (const { kernels } of builds) {
    const offered = new Set(TWIN_SUITES.map((suite) => `${suite.encryption} ${suite.keyBits} ${suite.integrity}`));
    for (let encryption = 0; encryption < 40; encryption++) {
      for (const keyBits of [0, 64, 128, 160, 192, 256, 512]) {
        for (let integrity = 0; integrity < 20; integrity++) {
          const row = kernels.transformFind(encryption, keyBits, integrity);
          assert.equal(row !== 0, offered.has(`${encryption} ${keyBits} ${integrity}`));
          assert.equal(kernels.transformFind(encryption, keyBits, integrity), row);
        }
      }
    }
  }
});

diceTest("the slow twins equal node:crypto for every transform", (dice) => {
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    for (const length of [0, 16, 1 + dice.below(15), 48 + dice.below(80)]) {
      const packet = newPacket(dice, sa, fitting(suite, length), 8, length === 16);
      const parts = [packet.header, packet.number, packet.data, packet.high] as const;
      const [a, b] = [slow, openssl].map((use) => sealPacket(use, suite, sa.keymat, ...parts));
      assert.ok(a!.equals(b!), `${suite.name}, ${length} octets`);
    }
    if (suite.mode === "cbc") {
      const [key, iv, data] = [sa.keymat.subarray(0, suite.keyOctets), dice.octets(16), dice.octets(80)];
      assert.ok(slow.cbcDecrypt(key, iv, slow.cbcEncrypt(key, iv, data)).length === data.length);
      assert.deepEqual([...slow.cbcDecrypt(key, iv, data)], [...openssl.cbcDecrypt(key, iv, data)], suite.name);
    }
  }
});

/** Alignments for each transform, such that all sixteen come up for each cipher. */
function skewsOf(suite: TwinSuite): number[] {
  const siblings = TWIN_SUITES.filter(({ mode }) => mode === suite.mode);
  return Array.from({ length: 16 }, (_, skew) => skew).filter(
    (skew) => skew % Math.min(16, siblings.length) === siblings.indexOf(suite) % 16,
  );
}

diceTest("every length from 0 to 300 at every alignment of every cipher, in lists of all sizes", (dice) => {
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    const lengths = Array.from({ length: 301 }, (_, length) => length);
    const places = dice.shuffle(skewsOf(suite).flatMap((skew) => lengths.map((length) => ({ length, skew }))));
    const stretch = new Stretch(
      dice,
      packetsOf(
        dice,
        sa,
        places.map(({ length }) => length),
      ),
      places.map(({ skew }) => skew),
    );
    for (const build of builds) {
      openSa(build, sa);
      proveStretch(build, stretch, build.packets, [1, LIST_MAX, 2, 16, 17, 15, 33], suite.name);
    }
  }
});

diceTest("every alignment of every transform, up to 1400 octets", (dice) => {
  const lengths = [16, 32, 100, 257, 512, 1400];
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    const places = dice.shuffle(lengths.flatMap((length) => Array.from({ length: 16 }, (_, skew) => [length, skew])));
    const stretch = new Stretch(
      dice,
      packetsOf(
        dice,
        sa,
        places.map(([length]) => length!),
      ),
      places.map(([, skew]) => skew!),
    );
    for (const build of builds) {
      openSa(build, sa);
      proveStretch(build, stretch, build.packets, [16, 1, 40], suite.name);
    }
  }
});

diceTest("lengths around the boundaries of blocks, groups, counters and pages, up to the longest packet", (dice) => {
  const around = [512, 1024, 1400, 2016, 4064, 4096, 8160, 9000].flatMap((length) => [length - 1, length, length + 1]);
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    const lengths = dice.shuffle([...around, 65535 - 8 - suite.ivOctets - suite.icvOctets]);
    const stretch = new Stretch(
      dice,
      packetsOf(dice, sa, lengths),
      lengths.map(() => dice.below(16)),
    );
    for (const build of builds) {
      openSa(build, sa);
      // Across the end of a page of 64 KiB, wherever it falls.
      proveStretch(build, stretch, build.packets + dice.below(65536), [1, 16, 3], suite.name);
    }
  }
});

diceTest("packets that end with a page, and with the memory: nothing is read behind them", (dice) => {
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    for (const build of builds) openSa(build, sa);
    for (const length of [
      0, 1, 3, 4, 7, 8, 12, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 127, 128, 129, 255, 300, 1400,
    ]) {
      const packets = packetsOf(dice, sa, [length]);
      const stretch = new Stretch(dice, packets, [dice.below(16)], true);
      for (const build of builds) {
        for (const end of [ARENA - 65536, MEMORY]) {
          proveStretch(build, stretch, end - stretch.length, [1], `${suite.name}, ${length} octets up to ${end}`);
        }
      }
    }
  }
});

diceTest("lists of many SAs of many transforms, with key caches of any size", (dice) => {
  for (const slots of [0, 3, 64]) {
    const sas = TWIN_SUITES.flatMap((suite, i) => [newSa(dice, suite, 2 * i), newSa(dice, suite, 2 * i + 1)]);
    for (const build of builds) {
      build.kernels.kernelArena(ARENA, RANDOM_ARENA_END);
      assert.equal(build.kernels.keyCacheReset(slots, 2 * slots), 1);
      for (const sa of sas) openSa(build, sa);
    }
    for (let round = 0; round < 10; round++) {
      // Few transforms with many SAs each, or any.
      const some = round % 2 === 0 ? sas : sas.filter(({ suite }) => suite.mode === TWIN_SUITES[dice.below(64)]!.mode);
      const chosen = some.length > 0 ? some : sas;
      const limit = [40, 300, 1500, 4000][round % 4]!;
      const packets = Array.from({ length: 160 }, () => {
        const sa = chosen[dice.below(chosen.length)]!;
        const length = fitting(sa.suite, round === 5 ? 1400 : dice.below(limit));
        return newPacket(dice, sa, length, 8, dice.below(2) === 1);
      });
      const stretch = new Stretch(
        dice,
        packets,
        packets.map(() => dice.below(16)),
      );
      for (const build of builds) {
        proveStretch(build, stretch, build.packets, [LIST_MAX, 7, 30], `${slots} slots, round ${round}`);
      }
    }
  }
});

/** Opens copies of a sealed packet, each changed by `change`, in lists: all must be refused and stay as they are. */
function proveRefused(
  dice: Dice,
  build: SuiteBuild,
  packet: Packet,
  changes: ((copy: Packet, sealed: Buffer) => void)[],
  what: string,
): void {
  const base = build.packets;
  for (let from = 0; from < changes.length; from += LIST_MAX - 1) {
    const some = changes.slice(from, from + LIST_MAX - 1);
    const good = dice.below(some.length + 1);
    const copies = Array.from({ length: some.length + 1 }, () => ({ ...packet }));
    const stretch = new Stretch(
      dice,
      copies,
      copies.map(() => dice.below(16)),
    );
    const image = stretch.sealed;
    some.forEach((change, i) => {
      const placed = stretch.packets[i < good ? i : i + 1]!;
      change(placed, image.subarray(placed.at));
    });
    image.copy(build.octets, base);
    fillJobs(build, base, stretch.packets);
    assert.equal(
      build.kernels.suiteOpenBatch(build.list, copies.length),
      1,
      `${build.name}, ${what}: forgeries accepted`,
    );
    assert.ok(
      doneJobs(build, copies.length).every((done, i) => done === (i === good)),
      `${build.name}, ${what}`,
    );
    const { at, header, number, data } = stretch.packets[good]!;
    data.copy(image, at + header.length + number.length);
    compareImage(build, base, stretch, image, `${what}, refused`);
  }
}

diceTest("a flipped bit anywhere in header, IV, data or ICV is refused, and nothing is changed", (dice) => {
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    const extended = dice.below(2) === 1;
    const packet = newPacket(dice, sa, fitting(suite, 16 + dice.below(40)), 8, extended);
    const octets = 8 + suite.ivOctets + packet.data.length + suite.icvOctets;
    const flips = Array.from({ length: octets * 8 }, (_, bit) => (_copy: Packet, sealed: Buffer) => {
      sealed[bit >> 3]! ^= 1 << (bit & 7);
    });
    for (const build of builds) {
      openSa(build, sa);
      proveRefused(dice, build, packet, flips, `${suite.name}, a bit flipped`);
    }
  }
});

diceTest("truncated packets, and those of another length, number or key, are refused", (dice) => {
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    const other = newSa(dice, suite, 1);
    const packet = newPacket(dice, sa, fitting(suite, 32 + dice.below(40)), 8, true);
    const changes: ((copy: Packet, sealed: Buffer) => void)[] = [];
    for (let cut = 1; cut <= packet.data.length; cut++) {
      changes.push((copy) => (copy.data = packet.data.subarray(cut)));
    }
    changes.push(
      (copy) => (copy.high = (packet.high! + 1) >>> 0),
      (copy) => (copy.high = undefined),
      (copy) => (copy.sa = other),
    );
    for (const build of builds) {
      for (const one of [sa, other]) openSa(build, one);
      proveRefused(dice, build, packet, changes, `${suite.name}, cut or taken for another`);
    }
  }
});

diceTest("CBC refuses to seal what is not whole blocks, and leaves it alone", (dice) => {
  for (const suite of TWIN_SUITES.filter(({ mode }) => mode === "cbc")) {
    const sa = newSa(dice, suite, 0);
    const stretch = new Stretch(
      dice,
      packetsOf(
        dice,
        sa,
        Array.from({ length: 48 }, () => 64),
      ),
      Array(48).fill(3),
    );
    stretch.packets.forEach((packet, i) => (packet.data = packet.data.subarray(i)));
    for (const build of builds) {
      openSa(build, sa);
      stretch.before.copy(build.octets, build.packets);
      const partial = stretch.packets.filter(({ data }) => data.length % 16 !== 0);
      fillJobs(build, build.packets, partial);
      assert.equal(build.kernels.suiteSealBatch(build.list, partial.length), 0, `${build.name}, ${suite.name}`);
      compareImage(build, build.packets, stretch, stretch.before, `${suite.name}, refused`);
    }
  }
});

diceTest("an empty list is nothing", () => {
  for (const { kernels, list } of builds) {
    assert.equal(kernels.suiteSealBatch(list, 0), 0);
    assert.equal(kernels.suiteOpenBatch(list, 0), 0);
  }
});

diceTest("a wiped SA leaves nothing in its context nor in the key cache", (dice) => {
  for (const suite of TWIN_SUITES) {
    const sa = newSa(dice, suite, 0);
    const stretch = new Stretch(dice, packetsOf(dice, sa, [0, 100, 1400]), [0, 5, 9]);
    for (const build of builds) {
      const { kernels, octets } = build;
      const arena = octets.subarray(ARENA, ARENA + (1 << 18));
      arena.fill(0);
      kernels.kernelArena(ARENA, ARENA + (1 << 18));
      assert.equal(kernels.keyCacheReset(3, 3), 1);
      const context = openSa(build, sa);
      proveStretch(build, stretch, build.packets, [3], suite.name);
      if (keymatOctets(suite) > 0) assert.ok(octets.subarray(context, context + 192).some((octet) => octet !== 0));
      kernels.suiteWipe(context);
      const what = `${build.name}, ${suite.name}`;
      assert.ok(
        octets.subarray(context, context + kernels.CIPHER_CONTEXT_OCTETS.value).every((octet) => octet === 0),
        `context: ${what}`,
      );
      assert.ok(
        arena.every((octet) => octet === 0),
        `cache: ${what}`,
      );
    }
  }
});

test.run();
