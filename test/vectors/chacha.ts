/** ChaCha20-Poly1305: Wycheproof, RFC 8439, and the ESP packet and IKE message of RFC 7634. */
import { ENCR, suiteOpen, suiteSeal } from "./cipher_suite.ts";
import type { Kernels } from "./kernels.ts";
import { hex, same, type Suite } from "./suite.ts";

const KEY_OCTETS = 32;
const TAG_OCTETS = 16;
const NONCE_OCTETS = 12;
const BLOCK = 64;

interface Sealed {
  key: Buffer;
  nonce: Buffer;
  aad: Buffer;
  plaintext: Buffer;
  ciphertext: Buffer;
  tag: Buffer;
}

function aead(kernels: Kernels, item: Sealed, valid = true): boolean | string {
  const opened = kernels.chachaOpen(item.key, item.nonce, item.aad, item.ciphertext, item.tag);
  if (!valid) return opened === null || "accepted a forgery";
  const sealed = kernels.chachaSeal(item.key, item.nonce, item.aad, item.plaintext);
  const seal = same(sealed, Buffer.concat([item.ciphertext, item.tag]));
  return seal === true ? same(opened, item.plaintext) : seal;
}

/** ChaCha20 over a whole text, block by block. */
function encrypt(kernels: Kernels, key: Buffer, nonce: Buffer, counter: number, text: Buffer): Buffer {
  const out = Buffer.from(text);
  for (let at = 0; at < out.length; at += BLOCK) {
    const block = kernels.chachaBlock(key, nonce, counter++);
    for (let i = at; i < Math.min(out.length, at + BLOCK); i++) out[i]! ^= block[i - at]!;
  }
  return out;
}

export const wycheproofChacha: Suite = {
  name: "Wycheproof ChaCha20-Poly1305",
  takes: (_path, content) => content.algorithm === "CHACHA20-POLY1305",
  async run(content, report, kernels) {
    for (const group of content.testGroups) {
      for (const test of group.tests) {
        if (group.ivSize !== NONCE_OCTETS * 8) {
          report.outside("ESP and IKE use 96-bit nonces");
          continue;
        }
        await report.check(`tcId ${test.tcId}`, () => {
          const item: Sealed = {
            key: hex(test.key),
            nonce: hex(test.iv),
            aad: hex(test.aad),
            plaintext: hex(test.msg),
            ciphertext: hex(test.ct),
            tag: hex(test.tag),
          };
          return aead(kernels, item, test.result !== "invalid");
        });
      }
    }
  },
};

export const rfc8439: Suite = {
  name: "RFC 8439",
  takes: (path) => path.endsWith("rfc8439_chacha20_poly1305.json"),
  async run(content, report, kernels) {
    for (const test of content.aead) {
      await report.check(test.source, () =>
        aead(kernels, {
          key: hex(test.key),
          nonce: hex(test.nonce),
          aad: hex(test.aad),
          plaintext: hex(test.pt),
          ciphertext: hex(test.ct),
          tag: hex(test.tag),
        }),
      );
    }
    for (const [index, test] of content.chacha20_block.entries()) {
      await report.check(`block ${index}`, () =>
        same(kernels.chachaBlock(hex(test.key), hex(test.nonce), test.counter), hex(test.keystream)),
      );
    }
    for (const [index, test] of content.chacha20_encrypt.entries()) {
      await report.check(`encryption ${index}`, () =>
        same(encrypt(kernels, hex(test.key), hex(test.nonce), test.counter, hex(test.pt)), hex(test.ct)),
      );
    }
    for (const test of content.poly1305) {
      await report.check(`Poly1305 ${test.n}`, () =>
        same(kernels.poly1305(hex(test.key), hex(test.msg)), hex(test.tag)),
      );
    }
    for (const [index, test] of content.poly1305_keygen.entries()) {
      await report.check(`Poly1305 key ${index}`, () =>
        same(kernels.chachaBlock(hex(test.key), hex(test.nonce), 0).subarray(0, KEY_OCTETS), hex(test.poly_key)),
      );
    }
  },
};

/** The whole packet through the cipher suite, both ways. */
function bySuite(
  kernels: Kernels,
  keymat: Buffer,
  header: Buffer,
  iv: Buffer,
  clear: Buffer,
  packet: Buffer,
): boolean | string {
  const keys = { encryption: ENCR.chacha, keyBits: 0, integrity: 0, keymat };
  const opened = same(suiteOpen(kernels, keys, packet, header.length, iv.length, TAG_OCTETS), clear);
  return opened === true ? same(suiteSeal(kernels, keys, header, iv, clear, TAG_OCTETS), packet) : opened;
}

export const rfc7634: Suite = {
  name: "RFC 7634",
  takes: (path) => path.endsWith("rfc7634_chacha20_esp_ike.json"),
  async run(content, report, kernels) {
    const { esp, ike } = content;
    await report.check("ESP packet", () => {
      const keymat = hex(esp.keymat);
      const [iv, ciphertext, tag, aad] = [hex(esp.iv), hex(esp.ct), hex(esp.tag), hex(esp.aad)];
      const nonce = Buffer.concat([keymat.subarray(KEY_OCTETS), iv]);
      if (
        !hex(esp.packet)
          .subarray(20)
          .equals(Buffer.concat([aad, iv, ciphertext, tag]))
      )
        return "the packet is another";
      const plaintext = hex(esp.esp_plaintext);
      const composed = aead(kernels, { key: keymat.subarray(0, KEY_OCTETS), nonce, aad, plaintext, ciphertext, tag });
      return composed === true ? bySuite(kernels, keymat, aad, iv, plaintext, hex(esp.packet).subarray(20)) : composed;
    });
    await report.check("IKE message", () => {
      const [iv, ciphertext, tag, aad] = [hex(ike.iv), hex(ike.ct), hex(ike.tag), hex(ike.aad)];
      const nonce = Buffer.concat([hex(ike.salt), iv]);
      if (tag.length !== TAG_OCTETS) return "tag";
      if (!hex(ike.message).equals(Buffer.concat([aad, iv, ciphertext, tag]))) return "the message is another";
      const composed = aead(kernels, { key: hex(ike.key), nonce, aad, plaintext: hex(ike.pt), ciphertext, tag });
      if (composed !== true) return composed;
      return bySuite(kernels, Buffer.concat([hex(ike.key), hex(ike.salt)]), aad, iv, hex(ike.pt), hex(ike.message));
    });
  },
};
