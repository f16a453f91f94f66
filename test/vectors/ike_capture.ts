/** SK payloads (RFC 7296, 3.14; RFC 5282) of captured IKEv2 messages whose keys were published. */
import { hex, same, type Suite } from "./suite.ts";
import { ENCR, INTEG_OF_HASH, suiteOpen, suiteSeal, type SuiteKeys } from "./cipher_suite.ts";
import type { Kernels } from "./kernels.ts";

const HEADER = 28;
const FLAG_INITIATOR = 0x08;
const PAYLOAD_SK = 46;
const HASH_SHA1 = 1;

interface Sealed {
  /** The header up to and including the SK payload's generic header. */
  aad: Buffer;
  body: Buffer;
  firstPayload: number;
}

/** The SK payload of a message in which it is the first and only one outside. */
function sealedPayload(message: Buffer): Sealed | null {
  if (message.length < HEADER + 4 || message[16] !== PAYLOAD_SK) return null;
  if (message.readUInt32BE(24) !== message.length || message.readUInt16BE(HEADER + 2) !== message.length - HEADER)
    return null;
  return {
    aad: message.subarray(0, HEADER + 4),
    body: message.subarray(HEADER + 4),
    firstPayload: message[HEADER]!,
  };
}

interface Opened {
  icvValid: boolean;
  /** Payloads and padding; only looked at to compare when the ICV is wrong. */
  clear: Buffer | null;
}

/** The message through the cipher suite: refused where `clear` is null, else opened to it and sealed to the same message. */
function bySuite(
  kernels: Kernels,
  keys: SuiteKeys,
  header: Buffer,
  message: Buffer,
  ivOctets: number,
  icvOctets: number,
  clear: Buffer | null,
): true | string {
  const opened = suiteOpen(kernels, keys, message, header.length, ivOctets, icvOctets);
  if (clear === null) return opened === null || "the suite accepts a wrong ICV";
  if (opened === null || !opened.equals(clear)) return "the suite opens it otherwise";
  const iv = message.subarray(header.length, header.length + ivOctets);
  const sealed = suiteSeal(kernels, keys, header, iv, clear, icvOctets);
  return (sealed !== null && sealed.equals(message)) || "the suite seals it otherwise";
}

function openSealed(kernels: Kernels, keys: any, message: Buffer, sealed: Sealed): Opened | string {
  const initiator = (message[19]! & FLAG_INITIATOR) !== 0;
  const key = hex(initiator ? keys.sk_ei : keys.sk_er);
  const { body, aad } = sealed;
  const combined = /^AES-(GCM|CCM)-\d+ with (\d+) octet ICV/.exec(keys.encr);
  if (combined !== null) {
    const saltOctets = combined[1] === "GCM" ? 4 : 3;
    const cipherKey = key.subarray(0, key.length - saltOctets);
    const nonce = Buffer.concat([key.subarray(key.length - saltOctets), body.subarray(0, 8)]);
    const end = body.length - Number(combined[2]);
    const open = combined[1] === "GCM" ? kernels.gcmOpen.bind(kernels) : kernels.ccmOpen.bind(kernels);
    const clear = open(cipherKey, nonce, aad, body.subarray(8, end), body.subarray(end));
    const icvOctets = Number(combined[2]);
    const encryption = ENCR[combined[1] === "GCM" ? "gcm" : "ccm"][icvOctets]!;
    const suite = { encryption, keyBits: cipherKey.length * 8, integrity: 0, keymat: key };
    const whole = bySuite(kernels, suite, aad, message, 8, icvOctets, clear);
    return whole === true ? { icvValid: clear !== null, clear } : whole;
  }
  if (keys.encr === "AES-CBC-128" && keys.integ === "HMAC_SHA1_96") {
    const end = message.length - 12;
    const integrityKey = hex(initiator ? keys.sk_ai : keys.sk_ar);
    const icv = kernels.hmac(HASH_SHA1, integrityKey, message.subarray(0, end)).subarray(0, 12);
    const data = body.subarray(16, body.length - 12);
    const icvValid = icv.equals(message.subarray(end));
    const clear = kernels.cbc(false, key, body.subarray(0, 16), data);
    const keymat = Buffer.concat([key, integrityKey]);
    const suite = { encryption: ENCR.cbc, keyBits: 128, integrity: INTEG_OF_HASH[HASH_SHA1]!, keymat };
    const whole = bySuite(kernels, suite, aad, message, 16, 12, icvValid ? clear : null);
    return whole === true ? { icvValid, clear } : whole;
  }
  return `unknown suite ${keys.encr}, ${keys.integ}`;
}

export const capturedIke: Suite = {
  name: "captured IKEv2 with keys",
  takes: (_path, content) => content.keys?.sk_ei !== undefined && Array.isArray(content.frames),
  async run(content, report, kernels) {
    const sealedFrames = content.frames.filter((frame: any) => frame.sk !== undefined);
    if (/3DES/.test(content.keys.encr)) {
      report.outside("3DES is not offered", sealedFrames.length);
      return;
    }
    let authSeen = content.expected_auth_data === undefined;
    for (const frame of sealedFrames) {
      await report.check(`frame ${frame.n}, SK payload`, () => {
        const message = hex(frame.ike);
        const sealed = sealedPayload(message);
        if (sealed === null) return "no SK payload";
        if (sealed.firstPayload !== frame.sk.first_payload) return "first payload";
        const opened = openSealed(kernels, content.keys, message, sealed);
        if (typeof opened === "string") return opened;
        if (opened.icvValid !== (frame.sk.integrity === "ok"))
          return `ICV ${opened.icvValid ? "verifies" : "is refused"}`;
        if (opened.clear === null) return "not decrypted";
        const payloads = opened.clear.subarray(0, opened.clear.length - 1 - opened.clear.at(-1)!);
        if (payloads.toString("hex").includes(content.expected_auth_data ?? "-")) authSeen = true;
        return same(payloads, hex(frame.sk.plaintext));
      });
    }
    await report.check("AUTH data among the decrypted payloads", () => authSeen);
  },
};
