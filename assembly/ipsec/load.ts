/**
 * What this board has to do, measured where it is done, and told to the IKE board (MESSAGE_LOAD), which places CHILD_SAs by it.
 *
 * A unit of work is about a nanosecond of the processor that the costs below were measured on (`npm run bench -- crypto`, SIMD,
 * batches of 16): what is compared is boards among each other, and a board on a faster processor has the larger weight. It is
 *
 *   60 for every packet that comes over the internal path, dropped ones among them,
 *  250 for every packet that the cipher or MAC of its SA is run over, whether its ICV turns out right or not,
 *    and for each octet of that what its transform costs (in sixteenths, kernelWork and macWork).
 *
 * Not in it: installing and removing SAs, listings, and the expansion of keys that fell out of their cache.
 */
import { LOAD_PERIOD_NS } from "../abi/message";
import { Transform } from "../crypto/transform";
import { now } from "../rt/registers";
import { reportLoad } from "./control_out";
import { rehearsing } from "./rehearsal";

const WORK_PACKET: u64 = 60;
const WORK_CIPHER: u64 = 250;
/** An octet, in sixteenths of a unit, by KERNEL_*: NULL, GCM, GMAC, CCM, ChaCha20-Poly1305, CBC, CTR. */
const kernelWork: usize = memory.data<u8>([0, 38, 12, 72, 14, 37, 41]);
/** The same by MAC_*: none, HMAC with SHA-1, SHA-256, SHA-384, SHA-512, AES-CMAC, AES-XCBC. */
const macWork: usize = memory.data<u8>([0, 10, 22, 23, 23, 26, 26]);

/** NOW when the window began; 0: there was no packet since the last one ended. */
let since: u64 = 0;
let packets: u64 = 0;
let octets: u64 = 0;
/** Of the cipher, in sixteenths. */
let work: u64 = 0;

export function loadReset(): void {
  since = 0;
  begin();
}

function begin(): void {
  packets = 0;
  octets = 0;
  work = 0;
}

/** A batch of packets has come. */
// @ts-ignore: decorator
@inline
export function loadPackets(count: u32): void {
  packets += <u64>count;
}

/** A packet's cipher is going to be run over `length` octets. */
// @ts-ignore: decorator
@inline
export function loadCipher(t: Transform, length: u32): void {
  if (rehearsing()) return;
  octets += <u64>length;
  const each = <u64>load<u8>(kernelWork + t.kernel) + <u64>load<u8>(macWork + t.mac);
  work += (WORK_CIPHER << 4) + <u64>length * each;
}

/** Ends a window that is over and begins the next one; returns NOW of its end, while there is one. */
export function loadTimeout(): u64 {
  if (packets == 0 && since == 0) return u64.MAX_VALUE;
  if (since == 0) since = now();
  const end = since + LOAD_PERIOD_NS;
  if (now() < end) return end;
  const idle = packets == 0;
  // What there was no frame for is told with the next window.
  if (!idle && !reportLoad(now() - since, packets, octets, packets * WORK_PACKET + (work >> 4)))
    return now() + LOAD_PERIOD_NS;
  begin();
  since = idle ? 0 : now();
  return idle ? u64.MAX_VALUE : since + LOAD_PERIOD_NS;
}
