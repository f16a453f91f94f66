/** What the threads of a pipeline (pipeline.ts) are told: memories, control words, and the ways that a packet can take. */
import { FRAME_HEADROOM, FRAME_RECORD, FRAME_STRIDE } from "../../../assembly/abi/frame.ts";

/**
 *   rings          as a chassis in threads does it: NIC -> ring -> RAM of the IKE board -> ring -> RAM of the IPsec board -> ring -> NIC
 *   rings, shared  the same with RAM of both boards in shared memory, to which copies are shared to shared
 *   rings, cursor  as rings, but a cursor is moved for every packet, not for 32
 *   headers        the IKE board gets the first HEADER octets alone; the rest stays in the NIC's ring until the IPsec board fetches it
 *   shared         RAM of all boards is in shared memory: the NIC writes into the IKE board's, that one's DMA into the IPsec board's, and the
 *                  NIC reads from there
 *   cut            as rings, past the IKE board: NIC -> ring -> RAM of the IPsec board -> ring -> NIC
 */
export const WAYS = ["rings", "rings, shared", "rings, cursor", "headers", "shared", "cut"] as const;
export type Way = (typeof WAYS)[number];

/** Of a burst; and of a poll, as boards take them. */
export const BURST = 256;
export const POLL = 64;
/** What a board is given of a packet that it forwards by its headers: outer IP, UDP, and the inner headers where they are clear. */
export const HEADER = 128;
/** Messages after which a ring's reader sees them, as in host/chassis/drive/board_worker.ts. */
export const PUBLISHED_AT_ONCE = 32;

/** Control words. */
export const STAGE = 0;
export const WAY = 1;
export const OCTETS = 2;
export const STOP = 3;
/** Octets that boards' threads and DMA copied in the burst; what the kernel's calls copy is not among them. */
export const COPIED = 4;
/** The sum of what was looked at: so that the engine does look. */
export const SEEN = 5;
export const CONTROL_OCTETS = 32;

/** Who has a burst: the NIC, the IKE board, the IPsec board, the NIC again; then it is done. */
export const NIC_IN = 0;
export const IKE = 1;
export const IPSEC = 2;
export const NIC_OUT = 3;
export const DONE = 4;

export interface StageParts {
  stages: readonly number[];
  control: SharedArrayBuffer;
  /** ns that each stage took for the burst, by stage. */
  times: SharedArrayBuffer;
  /** NIC to board, IKE board to IPsec board, IPsec board to NIC; and NIC to boards where packets stay until the second one fetches them. */
  rings: readonly [SharedArrayBuffer, SharedArrayBuffer, SharedArrayBuffer, SharedArrayBuffer];
  /** What packets are made of, and where the NIC puts what came out, OCTETS from PACKET_STRIDE to PACKET_STRIDE. */
  source: SharedArrayBuffer;
  sink: SharedArrayBuffer;
  /** RAM of the two boards, where it is shared. */
  shared: readonly [SharedArrayBuffer, SharedArrayBuffer];
}

export const PACKET_STRIDE = 1536;
/** Where the packet of the frame with this number stands in a board's RAM. */
export const frameAt = (i: number): number => i * FRAME_STRIDE + FRAME_RECORD + FRAME_HEADROOM;
export const RAM_PAGES = Math.ceil((BURST * FRAME_STRIDE) / 65536);
