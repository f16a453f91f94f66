/**
 * The power-on self test of the cipher suites: its known answers by other implementations (node:crypto, and the slow twins for
 * the MACs that it lacks), every build against them, and boards whose answers were spoilt, which must refuse service.
 */
import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import { setFlagsFromString } from "node:v8";
import { BOARD_CLASS_IKE, BOARD_CLASS_IPSEC, REFUSAL_SELF_TEST, STATE_REFUSED } from "../../assembly/abi/board.ts";
import { buildEntry } from "../../host/build/build.ts";
import { Board } from "../../host/chassis/board.ts";
import { type Build, loadImage, parseImage } from "../../host/chassis/image.ts";
import { cmac, xcbc } from "../reference/aes_modes.ts";

setFlagsFromString("--experimental-wasm-relaxed-simd");

const BUILDS: readonly Build[] = ["simd", "relaxed", "base"];
const PACKETS = 16;
const ROOM = 544;

interface Case {
  encryption: number;
  keyBits: number;
  integrity: number;
}

/** Combined modes: name, salt, ICV. */
const COMBINED: Record<number, [string, number, number]> = {
  14: ["ccm", 3, 8],
  15: ["ccm", 3, 12],
  16: ["ccm", 3, 16],
  20: ["gcm", 4, 16],
  21: ["gcm", 4, 16],
  28: ["chacha20-poly1305", 4, 16],
};
/** HMACs: hash, key, ICV. */
const HMACS: Record<number, [string, number, number]> = {
  2: ["sha1", 20, 12],
  12: ["sha256", 32, 16],
  13: ["sha384", 48, 24],
  14: ["sha512", 64, 32],
};

const CASES: readonly Case[] = [
  ...[128, 192, 256].map((keyBits) => ({ encryption: 20, keyBits, integrity: 0 })),
  { encryption: 28, keyBits: 0, integrity: 0 },
  { encryption: 16, keyBits: 128, integrity: 0 },
  { encryption: 15, keyBits: 192, integrity: 0 },
  { encryption: 14, keyBits: 256, integrity: 0 },
  { encryption: 21, keyBits: 128, integrity: 0 },
  { encryption: 21, keyBits: 256, integrity: 0 },
  { encryption: 12, keyBits: 128, integrity: 12 },
  { encryption: 12, keyBits: 192, integrity: 13 },
  { encryption: 12, keyBits: 256, integrity: 14 },
  { encryption: 13, keyBits: 128, integrity: 2 },
  { encryption: 13, keyBits: 192, integrity: 5 },
  { encryption: 13, keyBits: 256, integrity: 8 },
  { encryption: 11, keyBits: 0, integrity: 12 },
  { encryption: 11, keyBits: 0, integrity: 2 },
];

function cipher(name: string, key: Buffer, iv: Buffer | null, data: Buffer): Buffer {
  const c = createCipheriv(`aes-${key.length * 8}-${name}`, key, iv);
  c.setAutoPadding(false);
  return Buffer.concat([c.update(data), c.final()]);
}

/** [ciphertext, tag] of a combined mode. */
function seal(name: string, key: Buffer, nonce: Buffer, aad: Buffer, data: Buffer, icv: number): [Buffer, Buffer] {
  const full = name === "chacha20-poly1305" ? name : `aes-${key.length * 8}-${name}`;
  const c = createCipheriv(full as "aes-128-ccm", key, nonce, { authTagLength: icv });
  c.setAAD(aad, { plaintextLength: data.length });
  const text = Buffer.concat([c.update(data), c.final()]);
  return [text, c.getAuthTag()];
}

function mac(integrity: number, key: Buffer, text: Buffer): Buffer {
  const [hash, keyOctets, icv] = HMACS[integrity] ?? ["", 16, 12];
  if (hash !== "") return createHmac(hash, key.subarray(0, keyOctets)).update(text).digest().subarray(0, icv);
  return (integrity === 5 ? xcbc : cmac)(key.subarray(0, keyOctets), text).subarray(0, icv);
}

/** Packet `i` of a case, sealed. */
function packet({ encryption, keyBits, integrity }: Case, i: number): Buffer {
  const keymat = Buffer.from(Array.from({ length: 128 }, (_, k) => (11 * k + encryption) & 0xff));
  const length = encryption === 12 ? (31 * i + 16) & ~15 : 31 * i;
  const data = Buffer.from(Array.from({ length }, (_, at) => (7 * at + 13 * i) & 0xff));
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x01020304);
  header.writeUInt32BE(i + 1, 4);
  const keyOctets = encryption === 28 ? 32 : keyBits / 8;
  const key = keymat.subarray(0, keyOctets);
  const number = Buffer.alloc(encryption === 12 ? 16 : encryption === 11 ? 0 : 8);
  if (number.length > 0) number.writeUInt32BE(i + 1, number.length - 4);
  const combined = COMBINED[encryption];
  if (combined !== undefined) {
    const [name, saltOctets, icv] = combined;
    const nonce = Buffer.concat([keymat.subarray(keyOctets, keyOctets + saltOctets), number]);
    if (encryption === 21) {
      const covered = Buffer.concat([header, number, data]);
      return Buffer.concat([covered, seal(name, key, nonce, covered, Buffer.alloc(0), icv)[1]]);
    }
    return Buffer.concat([header, number, ...seal(name, key, nonce, header, data, icv)]);
  }
  const saltOctets = encryption === 13 ? 4 : 0;
  const salt = keymat.subarray(keyOctets, keyOctets + saltOctets);
  let iv: Buffer = number;
  let text: Buffer = data;
  if (encryption === 12) {
    iv = cipher("ecb", key, null, number); // SP 800-38A, appendix C
    text = cipher("cbc", key, iv, data);
  } else if (encryption === 13) {
    text = cipher("ctr", key, Buffer.concat([salt, number, Buffer.from([0, 0, 0, 1])]), data);
  }
  const covered = Buffer.concat([header, iv, text]);
  return Buffer.concat([covered, mac(integrity, keymat.subarray(keyOctets + saltOctets), covered)]);
}

function answer(one: Case): number {
  const all = Buffer.alloc(PACKETS * ROOM);
  for (let i = 0; i < PACKETS; i++) packet(one, i).copy(all, i * ROOM);
  return createHash("sha256").update(all).digest().readUInt32BE();
}

for (const build of BUILDS) {
  test(`${build}: other implementations give the answers that the self test knows`, async () => {
    const octets = readFileSync(await buildEntry("test/entries/suite_kernels.ts", build));
    const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024 });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(octets), { env: { memory } });
    const kernels = instance.exports as unknown as {
      selfTestAnswer(encryption: number, keyBits: number, integrity: number): number;
      suiteSelfTest(): number;
    };
    for (const one of CASES) {
      const ours = kernels.selfTestAnswer(one.encryption, one.keyBits, one.integrity) >>> 0;
      assert.equal(ours.toString(16), answer(one).toString(16), JSON.stringify(one));
    }
    assert.equal(kernels.suiteSelfTest(), 1);
  });

  for (const [name, boardClass] of [
    ["ipsec", BOARD_CLASS_IPSEC],
    ["ike", BOARD_CLASS_IKE],
  ] as const) {
    test(`${build}: a board ${name} with any answer spoilt refuses service`, () => {
      const image = loadImage(name, { force: build });
      const octets = readFileSync(new URL(`../../build/${name}.${build}.wasm`, import.meta.url));
      for (const one of CASES) {
        const known = Buffer.alloc(4);
        known.writeUInt32LE(answer(one));
        const at = octets.indexOf(known);
        assert.ok(at > 0 && octets.indexOf(known, at + 1) < 0, `the image knows one answer to ${JSON.stringify(one)}`);
        const spoilt = Buffer.from(octets);
        spoilt[at]! ^= 1;
        const board = new Board(
          { ...parseImage(spoilt, name, undefined), sourceMap: image.sourceMap },
          {
            slot: 1,
            generation: 1,
            boardClass,
            config: new Uint8Array(0),
            entropy: new Uint8Array(64),
            traceMask: 0,
            conservation: true,
          },
          0n,
          0n,
        );
        assert.equal(board.state, STATE_REFUSED);
        assert.equal(board.refusal, REFUSAL_SELF_TEST);
      }
    });
  }
}

test.run();
