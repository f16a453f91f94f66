/**
 * The batched kernels on single messages: lists of cipher jobs as assembly/crypto/job.ts lays them out.
 *
 * A message stands in a list with others of its own octets in other lengths, so that the lanes, groups and orders of a batch come
 * into it; what the others give is looked at where their answer is known.
 */
import type { Scratch } from "./kernels.ts";

const JOB_OCTETS = 128;
const JOB_NONCE = 48;
const DONE = 40;
const CONTEXT_OCTETS = 192;
const CONTEXT_MAC = 64;
/** From one MAC to the next. */
const MAC_OCTETS = 64;
const MAC_AES_CMAC = 5;
const MAC_AES_XCBC = 6;

interface JobFields {
  context: number;
  iv?: number;
  nonce?: Uint8Array;
  aad?: Uint8Array;
  data?: Uint8Array;
  tag?: Uint8Array;
  text?: Uint8Array;
}

/** A job in memory and where its parts are. */
interface Job {
  at: number;
  data: number;
  dataOctets: number;
  tag: number;
  tagOctets: number;
}

/** A context with the raw key in its cipher's place, in its MAC's, or nowhere. */
function context(s: Scratch, key: Uint8Array, place: "cipher" | "mac"): number {
  const at = s.take(CONTEXT_OCTETS);
  s.call.keyRecord(at + (place === "mac" ? CONTEXT_MAC : 0), s.put(key), key.length);
  return at;
}

function job(s: Scratch, fields: JobFields): Job {
  const put = (octets: Uint8Array | undefined): [number, number] =>
    octets === undefined ? [0, 0] : [s.put(octets), octets.length];
  const at = s.take(JOB_OCTETS);
  const [aad, data, tag, text] = [put(fields.aad), put(fields.data), put(fields.tag), put(fields.text)];
  const record = Buffer.alloc(JOB_OCTETS);
  [fields.context, fields.iv ?? 0, ...aad, ...data, ...tag, ...text].forEach((value, i) =>
    record.writeUInt32LE(value, 4 * i),
  );
  if (fields.nonce !== undefined) record.set(fields.nonce, JOB_NONCE);
  s.write(at, record);
  return { at, data: data[0], dataOctets: data[1], tag: tag[0], tagOctets: tag[1] };
}

function list(s: Scratch, jobs: Job[]): number {
  const addresses = Buffer.alloc(4 * jobs.length);
  jobs.forEach(({ at }, i) => addresses.writeUInt32LE(at, 4 * i));
  return s.put(addresses);
}

function done(s: Scratch, { at }: Job): boolean {
  return s.get(at + DONE, 4).readUInt32LE() === 1;
}

export type AeadKernel = "gcm" | "ccm" | "chacha";
const TAGS: Record<AeadKernel, number[]> = { gcm: [16, 12, 8], ccm: [16, 12, 8], chacha: [16, 16, 16] };

/** True where the batched kernel takes what `tagOctets` and the nonce are. */
export function aeadTakes(kernel: AeadKernel, nonce: Uint8Array, tagOctets: number): boolean {
  return nonce.length === (kernel === "ccm" ? 11 : 12) && TAGS[kernel].includes(tagOctets);
}

/** Ciphertext and tag; tags of the kernel's other lengths and a message cut in half go along. */
export function aeadSeal(
  s: Scratch,
  kernel: AeadKernel,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
  tagOctets: number,
): Buffer {
  const keyed = context(s, key, "cipher");
  const fields = { context: keyed, nonce, aad };
  const whole = job(s, { ...fields, data, tag: new Uint8Array(tagOctets) });
  const half = job(s, { ...fields, data: data.subarray(0, data.length >> 1), tag: new Uint8Array(tagOctets) });
  const others = TAGS[kernel].map((octets) => job(s, { ...fields, data, tag: new Uint8Array(octets) }));
  const jobs = [half, ...others, whole];
  if (s.call[`${kernel}SealBatch`](list(s, jobs), jobs.length) !== jobs.length) throw new Error("not all were sealed");
  const sealed = Buffer.concat([s.get(whole.data, data.length), s.get(whole.tag, tagOctets)]);
  for (const other of others) {
    const tag = s.get(other.tag, other.tagOctets);
    const comparable = kernel !== "ccm" || other.tagOctets === tagOctets; // CCM authenticates the tag's length
    const shorter = Math.min(tagOctets, other.tagOctets);
    if (comparable && !tag.subarray(0, shorter).equals(sealed.subarray(data.length, data.length + shorter))) {
      throw new Error(`a tag of ${other.tagOctets} octets begins otherwise in one batch`);
    }
    if (!s.get(other.data, data.length).equals(sealed.subarray(0, data.length)))
      throw new Error("one batch, two texts");
  }
  if (!s.get(half.data, half.dataOctets).equals(sealed.subarray(0, half.dataOctets))) {
    throw new Error("half of the message is encrypted otherwise");
  }
  return sealed;
}

/** The plaintext, or null when the tag is refused; then the data must be as they came. */
export function aeadOpen(
  s: Scratch,
  kernel: AeadKernel,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  data: Uint8Array,
  tag: Uint8Array,
): Buffer | null {
  const fields = { context: context(s, key, "cipher"), nonce, aad };
  const forgedTag = Buffer.from(tag);
  forgedTag[tag.length - 1]! ^= 0x80;
  const first = job(s, { ...fields, data, tag });
  const forged = job(s, { ...fields, data, tag: forgedTag });
  const again = job(s, { ...fields, data, tag });
  const jobs = [first, forged, again];
  const count = s.call[`${kernel}OpenBatch`](list(s, jobs), jobs.length);
  const opened = jobs.map((one) => (done(s, one) ? s.get(one.data, data.length) : null));
  if (count !== opened.filter((text) => text !== null).length) throw new Error("counted otherwise than marked");
  for (const [i, one] of jobs.entries()) {
    if (opened[i] === null && !s.get(one.data, data.length).equals(data)) {
      throw new Error("refused in a batch, but the data are not as they came");
    }
  }
  const [a, f, b] = opened as [Buffer | null, Buffer | null, Buffer | null];
  if (f !== null && a !== null) throw new Error("accepted a forgery in a batch");
  if (a === null ? b !== null : b === null || !a.equals(b)) throw new Error("one batch, two answers");
  return a;
}

/** CBC of whole blocks, or null when the kernel refuses the length. */
export function cbc(s: Scratch, encrypt: boolean, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer | null {
  const keyed = context(s, key, "cipher");
  const part = data.subarray(0, (data.length >> 5) << 4);
  const [short, whole] = [part, data].map((octets) => job(s, { context: keyed, iv: s.put(iv), data: octets }));
  const jobs = [short!, whole!];
  (encrypt ? s.call.cbcEncryptBatch : s.call.cbcDecryptBatch)(list(s, jobs), jobs.length);
  const text = s.get(whole!.data, data.length);
  if (done(s, whole!)) {
    if (s.get(short!.data, part.length).equals(text.subarray(0, part.length))) return text;
    throw new Error("the first blocks are others in one batch");
  }
  if (!text.equals(data)) throw new Error("refused in a batch, but the data are not as they came");
  return null;
}

/** CTR of RFC 3686. */
export function ctr(s: Scratch, key: Uint8Array, nonce: Uint8Array, data: Uint8Array): Buffer {
  const keyed = context(s, key, "cipher");
  const [short, whole] = [data.subarray(0, data.length >> 1), data].map((octets) =>
    job(s, { context: keyed, nonce, data: octets }),
  );
  s.call.ctrBatch(list(s, [short!, whole!]), 2);
  const text = s.get(whole!.data, data.length);
  if (!s.get(short!.data, data.length >> 1).equals(text.subarray(0, data.length >> 1))) {
    throw new Error("half of the message is encrypted otherwise");
  }
  return text;
}

function mac(
  s: Scratch,
  keyed: number,
  message: Uint8Array,
  run: (list: number, count: number, macs: number) => void,
): Buffer {
  const texts = [message.subarray(0, message.length >> 1), message, message.subarray(0, message.length - 1), message];
  const jobs = texts.map((text) => job(s, { context: keyed, text }));
  const macs = s.take(MAC_OCTETS * jobs.length);
  run(list(s, jobs), jobs.length, macs);
  const whole = s.get(macs + MAC_OCTETS, MAC_OCTETS);
  if (!s.get(macs + 3 * MAC_OCTETS, MAC_OCTETS).equals(whole)) throw new Error("one batch, two MACs");
  if (message.length > 0 && s.get(macs, MAC_OCTETS).equals(whole))
    throw new Error("half of a message has the same MAC");
  return whole;
}

export function hmac(s: Scratch, hash: number, key: Uint8Array, message: Uint8Array, octets: number): Buffer {
  const keyed = s.take(CONTEXT_OCTETS);
  s.call.hmacKey(keyed, hash, s.put(key), key.length);
  return mac(s, keyed, message, (at, count, macs) => s.call.hmacBatch(hash, at, count, macs)).subarray(0, octets);
}

export function blockCipherMac(s: Scratch, name: "cmac" | "xcbc", key: Uint8Array, message: Uint8Array): Buffer {
  const id = name === "cmac" ? MAC_AES_CMAC : MAC_AES_XCBC;
  const keyed = context(s, key, "mac");
  return mac(s, keyed, message, (at, count, macs) => s.call.cbcMacBatch(id, at, count, macs)).subarray(0, 16);
}
