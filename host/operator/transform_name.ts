/** Names of IKEv2 transforms (IANA) as strongSwan's `swanctl --list-sas` writes them, from TRANSFORM_* records. */
import { TRANSFORM_ID, TRANSFORM_KEY_BITS, TRANSFORM_OCTETS, TRANSFORM_TYPE } from "../../assembly/abi/management.ts";

export interface TransformValue {
  /** RFC 7296 section 3.3.2: 1 ENCR, 2 PRF, 3 INTEG, 4 KE, 5 ESN; RFC 9370: 6 to 12, ADDKE1 to ADDKE7. */
  type: number;
  id: number;
  /** 0: no key length attribute. */
  keyBits: number;
}

export const TRANSFORM_ENCR = 1;
export const TRANSFORM_PRF = 2;
export const TRANSFORM_INTEG = 3;
export const TRANSFORM_KE = 4;
export const TRANSFORM_ESN = 5;
export const TRANSFORM_ADDKE = 6;
export const ADDKE_MAX = 7;

const NAMES: Record<number, Record<number, string>> = {
  [TRANSFORM_ENCR]: {
    11: "NULL",
    12: "AES_CBC",
    13: "AES_CTR",
    14: "AES_CCM_8",
    15: "AES_CCM_12",
    16: "AES_CCM_16",
    18: "AES_GCM_8",
    19: "AES_GCM_12",
    20: "AES_GCM_16",
    21: "NULL_AES_GMAC",
    28: "CHACHA20_POLY1305",
  },
  [TRANSFORM_PRF]: {
    2: "PRF_HMAC_SHA1",
    4: "PRF_AES128_XCBC",
    5: "PRF_HMAC_SHA2_256",
    6: "PRF_HMAC_SHA2_384",
    7: "PRF_HMAC_SHA2_512",
    8: "PRF_AES128_CMAC",
  },
  [TRANSFORM_INTEG]: {
    2: "HMAC_SHA1_96",
    5: "AES_XCBC_96",
    8: "AES_CMAC_96",
    9: "AES_128_GMAC",
    10: "AES_192_GMAC",
    11: "AES_256_GMAC",
    12: "HMAC_SHA2_256_128",
    13: "HMAC_SHA2_384_192",
    14: "HMAC_SHA2_512_256",
  },
  [TRANSFORM_KE]: {
    14: "MODP_2048",
    15: "MODP_3072",
    16: "MODP_4096",
    17: "MODP_6144",
    18: "MODP_8192",
    19: "ECP_256",
    20: "ECP_384",
    21: "ECP_521",
    31: "CURVE_25519",
    32: "CURVE_448",
    35: "ML_KEM_512",
    36: "ML_KEM_768",
    37: "ML_KEM_1024",
  },
};

/** `AES_GCM_16`, `PRF_HMAC_SHA2_256`, ...; a number where there is no name. */
export const transformName = (type: number, id: number): string =>
  NAMES[type >= TRANSFORM_ADDKE ? TRANSFORM_KE : type]?.[id] ?? `${type}:${id}`;

/** Reads TRANSFORM_* records; throws RangeError when the octets are not whole records. */
export function decodeTransforms(octets: Uint8Array): TransformValue[] {
  if (octets.length % TRANSFORM_OCTETS !== 0) throw new RangeError("a transform is cut off");
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  return Array.from({ length: octets.length / TRANSFORM_OCTETS }, (_, i) => ({
    type: view.getUint8(i * TRANSFORM_OCTETS + TRANSFORM_TYPE),
    id: view.getUint16(i * TRANSFORM_OCTETS + TRANSFORM_ID, true),
    keyBits: view.getUint16(i * TRANSFORM_OCTETS + TRANSFORM_KEY_BITS, true),
  }));
}

/** Writes TRANSFORM_* records. */
export function encodeTransforms(transforms: readonly TransformValue[]): Uint8Array {
  const octets = new Uint8Array(transforms.length * TRANSFORM_OCTETS);
  const view = new DataView(octets.buffer);
  transforms.forEach(({ type, id, keyBits }, i) => {
    view.setUint8(i * TRANSFORM_OCTETS + TRANSFORM_TYPE, type);
    view.setUint16(i * TRANSFORM_OCTETS + TRANSFORM_ID, id, true);
    view.setUint16(i * TRANSFORM_OCTETS + TRANSFORM_KEY_BITS, keyBits, true);
  });
  return octets;
}

/** The keys under which vici reports a suite. */
export function suiteKeys(transforms: readonly TransformValue[]): Record<string, string> {
  const keys: Record<string, string> = {};
  for (const { type, id, keyBits } of transforms) {
    if (type === TRANSFORM_ENCR) {
      keys["encr-alg"] = transformName(type, id);
      if (keyBits > 0) keys["encr-keysize"] = String(keyBits);
    } else if (type === TRANSFORM_INTEG && id > 0) keys["integ-alg"] = transformName(type, id);
    else if (type === TRANSFORM_PRF) keys["prf-alg"] = transformName(type, id);
    else if (type === TRANSFORM_KE && id > 0) keys["dh-group"] = transformName(type, id);
    else if (type === TRANSFORM_ESN && id > 0) keys["esn"] = "1";
    else if (type >= TRANSFORM_ADDKE && id > 0) keys[`ke${type - TRANSFORM_ADDKE + 1}-alg`] = transformName(type, id);
  }
  return keys;
}

/** `AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384`, as strongSwan writes a suite. */
export function suiteText(keys: Record<string, string | undefined>): string {
  const encryption =
    keys["encr-alg"] && keys["encr-keysize"] ? `${keys["encr-alg"]}-${keys["encr-keysize"]}` : keys["encr-alg"];
  const esn = keys["esn"] === "1" ? "ESN" : undefined;
  const additional = Array.from({ length: ADDKE_MAX }, (_, i) => {
    const name = keys[`ke${i + 1}-alg`];
    return name && `KE${i + 1}_${name}`;
  });
  return [encryption, keys["integ-alg"], keys["prf-alg"], keys["dh-group"], ...additional, esn]
    .filter(Boolean)
    .join("/");
}
