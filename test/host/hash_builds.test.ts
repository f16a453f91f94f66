/**
 * Hashes, MACs, modes and ChaCha20-Poly1305 of every build that this engine validates, against the slow twins and node:crypto:
 * every length, every alignment, every division into updates, forgeries, and guard octets behind every buffer.
 */
import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { test } from "uvu";
import * as chacha from "../reference/chacha20_poly1305.ts";
import * as modes from "../reference/aes_modes.ts";
import * as sha from "../reference/sha.ts";
import { Kernels, type Scratch } from "../vectors/kernels.ts";

const kernels = await Kernels.create();
const NAMES = ["", "sha1", "sha256", "sha384", "sha512"];
const HASHES = [1, 2, 3, 4];
/** All of a module's memory: 1024 pages. */
const MEMORY_OCTETS = 1024 * 65536;
let drawn = 0;

/** Octets that are the same in every run. */
function octets(length: number): Buffer {
  const parts: Buffer[] = [Buffer.alloc(0)];
  for (let have = 0; have < length; have += 64) parts.push(createHash("sha512").update(`octets ${drawn++}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}

function opensslCcm(key: Buffer, nonce: Buffer, aad: Buffer, data: Buffer, authTagLength: number): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-ccm` as "aes-128-ccm", key, nonce, { authTagLength });
  cipher.setAAD(aad, { plaintextLength: data.length });
  const text = Buffer.concat([cipher.update(data), cipher.final()]);
  return Buffer.concat([text, cipher.getAuthTag()]);
}

function eachBuild(kernel: string, use: (scratch: Scratch, build: string) => void): void {
  for (const build of kernels.builds) {
    build.with(kernel, (scratch) => {
      use(scratch, build.name);
      scratch.done();
    });
  }
}

test("this engine runs at least the simd and the base build", () => {
  assert.ok(kernels.builds.some((build) => build.name === "simd"));
  assert.ok(kernels.builds.some((build) => build.name === "base"));
});

test("self tests pass in every build", () => {
  eachBuild("hashSelfTest", (s, build) => {
    assert.ok(s.call.hashSelfTest(), build);
    assert.ok(s.call.chachaSelfTest(), build);
  });
});

test("hashes of every length up to 300, at every alignment, as node:crypto gives them", () => {
  const data = octets(320);
  for (const id of HASHES) {
    const expected = Array.from({ length: 301 }, (_, n) => createHash(NAMES[id]!).update(data.subarray(0, n)).digest());
    eachBuild("hash", (s, build) => {
      const at = s.take(400);
      const out = s.take(64);
      for (let n = 0; n <= 300; n++) {
        const skew = n % 16;
        s.write(at + skew, data.subarray(0, n));
        s.call.hash(id, at + skew, n, out);
        assert.ok(s.get(out, expected[n]!.length).equals(expected[n]!), `${build} ${NAMES[id]} ${n}`);
      }
    });
  }
});

test("hashes and HMACs as the twins give them", () => {
  const data = octets(300);
  for (const id of HASHES) {
    for (const n of [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 300]) {
      const message = data.subarray(0, n);
      assert.ok(kernels.hash(id, message).equals(sha.hash(id, message)), `${NAMES[id]} ${n}`);
      const key = data.subarray(0, (n * 7) % 300);
      assert.ok(kernels.hmac(id, key, message).equals(sha.hmac(id, key, message)), `HMAC ${NAMES[id]} ${n}`);
    }
  }
});

test("a message in two updates, divided at every octet", () => {
  const data = octets(260);
  for (const id of HASHES) {
    const expected = createHash(NAMES[id]!).update(data).digest();
    eachBuild("hashInit", (s, build) => {
      const context = s.take(s.constant("HASH_CONTEXT_OCTETS"));
      const at = s.put(data);
      const out = s.take(64);
      for (let split = 0; split <= data.length; split++) {
        s.call.hashInit(context, id);
        s.call.hashUpdate(context, at, split);
        s.call.hashUpdate(context, at + split, data.length - split);
        s.call.hashFinal(context, out);
        assert.ok(s.get(out, expected.length).equals(expected), `${build} ${NAMES[id]} at ${split}`);
      }
    });
  }
});

test("HMAC with keys of every length up to 200; a context serves message after message", () => {
  const data = octets(200);
  for (const id of HASHES) {
    eachBuild("hmacInit", (s, build) => {
      const context = s.take(s.constant("HMAC_CONTEXT_OCTETS"));
      const at = s.put(data);
      const out = s.take(64);
      for (let n = 0; n <= 200; n++) {
        s.call.hmacInit(context, id, at, n);
        for (const length of [n, 200 - n]) {
          s.call.hmacUpdate(context, at, length);
          s.call.hmacFinal(context, out);
          const expected = createHmac(NAMES[id]!, data.subarray(0, n)).update(data.subarray(0, length)).digest();
          assert.ok(s.get(out, expected.length).equals(expected), `${build} ${NAMES[id]} key ${n}, message ${length}`);
        }
      }
    });
  }
});

test("HMAC over batches of mixed keys, lengths and alignments; sixteen keys, every count", () => {
  const data = octets(2100);
  for (const id of HASHES) {
    eachBuild("hmacBatch", (s, build) => {
      const contexts = s.take(16 * 192);
      const jobs = s.take(16 * 128);
      const list = s.take(16 * 4);
      const keyAt = s.put(data);
      for (let i = 0; i < 16; i++) s.call.hmacKey(contexts + i * 192, id, keyAt + i, 11 * i);
      for (let count = 1; count <= 16; count++) {
        const macs = s.take(count * 64);
        // Texts that end right before guard octets: what is read beyond an end would change a MAC, and another end's would fail.
        const expected: Buffer[] = [];
        for (let i = 0; i < count; i++) {
          const n = i % 5 === 4 ? 1400 + count : (count * 29 + i * 53) % 331;
          const skew = (i * 7 + count) % 16;
          const text = s.take(n + skew) + skew;
          s.write(text, data.subarray(count, count + n));
          const record = new DataView(new ArrayBuffer(128));
          record.setUint32(0, contexts + ((i * 3) % 16) * 192, true);
          record.setUint32(32, text, true);
          record.setUint32(36, n, true);
          s.write(jobs + i * 128, new Uint8Array(record.buffer));
          record.setUint32(0, jobs + i * 128, true);
          s.write(list + i * 4, new Uint8Array(record.buffer, 0, 4));
          const k = (i * 3) % 16;
          const key = data.subarray(k, k + 11 * k);
          expected.push(
            createHmac(NAMES[id]!, key)
              .update(data.subarray(count, count + n))
              .digest(),
          );
        }
        s.call.hmacBatch(id, list, count, macs);
        for (const [i, mac] of expected.entries()) {
          assert.ok(s.get(macs + i * 64, mac.length).equals(mac), `${build} ${NAMES[id]}: ${i} of ${count}`);
          assert.ok(
            s.get(macs + i * 64 + mac.length, 64 - mac.length).every((octet) => octet === 0),
            `${build} ${NAMES[id]}: written behind MAC ${i}`,
          );
        }
      }
    });
  }
});

test("HMAC of a text at the very end of memory: no octet behind a packet is read", () => {
  const data = octets(300);
  for (const id of HASHES) {
    const expected = Array.from({ length: 301 }, (_, n) =>
      createHmac(NAMES[id]!, data)
        .update(data.subarray(300 - n))
        .digest(),
    );
    eachBuild("hmacBatch", (s, build) => {
      const [context, jobs, list, macs, key] = [s.take(192), s.take(512), s.take(16), s.take(256), s.put(data)];
      s.call.hmacKey(context, id, key, data.length);
      s.write(MEMORY_OCTETS - 300, data);
      for (let n = 0; n <= 300; n++) {
        const count = 1 + (n % 4);
        for (let i = 0; i < count; i++) {
          const record = new DataView(new ArrayBuffer(128));
          record.setUint32(0, context, true);
          record.setUint32(32, MEMORY_OCTETS - n, true);
          record.setUint32(36, n, true);
          s.write(jobs + i * 128, new Uint8Array(record.buffer));
          record.setUint32(0, jobs + i * 128, true);
          s.write(list + i * 4, new Uint8Array(record.buffer, 0, 4));
        }
        s.call.hmacBatch(id, list, count, macs);
        for (let i = 0; i < count; i++) {
          assert.ok(s.get(macs + i * 64, expected[n]!.length).equals(expected[n]!), `${build} ${NAMES[id]} ${n}`);
        }
      }
      s.write(MEMORY_OCTETS - 300, Buffer.alloc(300));
    });
  }
});

test("prf+ of every PRF, cut at every length", () => {
  const key = octets(20);
  const seed = octets(50);
  for (const [prf, hash] of [
    [2, 1],
    [5, 2],
    [6, 3],
    [7, 4],
  ] as const) {
    let block: Buffer = Buffer.alloc(0);
    let stream: Buffer = Buffer.alloc(0);
    for (let n = 1; stream.length < 200; n++) {
      block = sha.hmac(hash, key, Buffer.concat([block, seed, Buffer.from([n])]));
      stream = Buffer.concat([stream, block]);
    }
    for (const length of [0, 1, 19, 20, 21, 32, 64, 65, 128, 199]) {
      assert.ok(kernels.prfPlus(prf, key, seed, length).equals(stream.subarray(0, length)), `PRF ${prf}, ${length}`);
    }
  }
});

test("CMAC and XCBC of every length up to 100 as the twins give them", () => {
  const key = octets(32);
  for (let n = 0; n <= 100; n++) {
    const message = octets(n);
    const size = [16, 24, 32][n % 3]!;
    assert.ok(
      kernels.cmac(key.subarray(0, size), message).equals(modes.cmac(key.subarray(0, size), message)),
      `CMAC ${n}`,
    );
    assert.ok(kernels.xcbc(key.subarray(0, 16), message).equals(modes.xcbc(key.subarray(0, 16), message)), `XCBC ${n}`);
  }
});

test("CBC, CTR and CCM as the twins and node:crypto give them; CCM refuses forgeries with the data as they came", () => {
  for (let n = 0; n <= 300; n++) {
    const key = octets([16, 24, 32][n % 3]!);
    const [iv, data, aad] = [octets(16), octets(n), octets(n % 40)];
    if (n % 16 === 0) {
      const sealed = kernels.cbc(true, key, iv, data)!;
      assert.ok(sealed.equals(modes.cbcEncrypt(key, iv, data)), `CBC ${n}`);
      assert.ok(kernels.cbc(false, key, iv, sealed)!.equals(data), `CBC ${n} back`);
    } else assert.equal(kernels.cbc(true, key, iv, data), null);
    const first = Buffer.concat([iv.subarray(0, 12), Buffer.from([0, 0, 0, 1])]);
    const stream = createCipheriv(`aes-${key.length * 8}-ctr`, key, first).update(data);
    assert.ok(kernels.ctr(key, iv.subarray(0, 4), iv.subarray(4, 12), data).equals(stream), `CTR ${n}`);
    const tagOctets = [8, 12, 16][n % 3]!;
    const sealed = kernels.ccmSeal(key, iv.subarray(0, 11), aad, data, tagOctets)!;
    if (n % 7 === 0) {
      assert.ok(sealed.equals(modes.ccmSeal(key, iv.subarray(0, 11), aad, data, tagOctets)), `CCM twin ${n}`);
    }
    // node:crypto gives no CCM tag for an empty text: there the twin stands alone.
    if (n > 0) assert.ok(sealed.equals(opensslCcm(key, iv.subarray(0, 11), aad, data, tagOctets)), `CCM ${n}`);
    const tag = Buffer.from(sealed.subarray(n));
    assert.ok(kernels.ccmOpen(key, iv.subarray(0, 11), aad, sealed.subarray(0, n), tag)!.equals(data));
    tag[n % tagOctets]! ^= 1 << (n % 8);
    assert.equal(kernels.ccmOpen(key, iv.subarray(0, 11), aad, sealed.subarray(0, n), tag), null);
  }
});

test("ChaCha20-Poly1305 of every length up to 800 at every alignment: seal, forged, open", () => {
  const [key, nonce, data, aad] = [octets(32), octets(12), octets(800), octets(40)];
  for (let n = 0; n <= 800; n++) {
    const extra = aad.subarray(0, n % 41);
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    cipher.setAAD(extra, { plaintextLength: n });
    const text = Buffer.concat([cipher.update(data.subarray(0, n)), cipher.final()]);
    const tag = cipher.getAuthTag();
    if (n <= 300 && n % 5 === 0) {
      const twin = chacha.chacha20Poly1305Seal(key, nonce, extra, data.subarray(0, n));
      assert.ok(twin.equals(Buffer.concat([text, tag])), `twin ${n}`);
    }
    eachBuild("chacha20Poly1305Seal", (s, build) => {
      const context = s.take(32);
      s.call.chacha20Poly1305Init(context, s.put(key));
      const [nonceAt, aadAt, tagAt] = [s.put(nonce), s.put(extra), s.take(16)];
      const skewed = s.take(n + 16) + (n % 16);
      s.write(skewed, Buffer.concat([data.subarray(0, n), Buffer.alloc(1, 0x77)]));
      s.call.chacha20Poly1305Seal(context, nonceAt, aadAt, extra.length, skewed, n, tagAt);
      assert.ok(s.get(skewed, n).equals(text) && s.get(tagAt, 16).equals(tag), `${build} seal ${n}`);
      const forged = Buffer.from(tag);
      forged[n % 16]! ^= 1 << (n % 8);
      s.write(tagAt, forged);
      assert.ok(!s.call.chacha20Poly1305Open(context, nonceAt, aadAt, extra.length, skewed, n, tagAt), `${build} ${n}`);
      assert.ok(s.get(skewed, n).equals(text), `${build}: a forgery of ${n} octets was changed`);
      s.write(tagAt, tag);
      assert.ok(s.call.chacha20Poly1305Open(context, nonceAt, aadAt, extra.length, skewed, n, tagAt), `${build} ${n}`);
      assert.ok(s.get(skewed, n).equals(data.subarray(0, n)), `${build} open ${n}`);
      assert.equal(s.get(skewed + n, 1)[0], 0x77, `${build}: octet behind ${n}`);
    });
  }
});

test.run();
