/**
 * The tracer: sees every frame that crosses the backplane, and changes nothing.
 */

/** A frame on the backplane: its wire form (with FCS, or with pad, trailer and CRC), between two slots. */
export interface WireFrame {
  now: bigint;
  from: number;
  to: number;
  /** VPI << 16 | VCI, 0 on Ethernet. */
  vc: number;
  /** The receiver's own copy. */
  wire: Uint8Array;
}

export type WireTap = (frame: WireFrame) => void;

/** Keeps the last `limit` frames. */
export class Tracer {
  readonly frames: WireFrame[] = [];
  /** All that were ever seen. */
  seen = 0;

  constructor(readonly limit = 4096) {}

  readonly tap: WireTap = (frame) => {
    this.seen += 1;
    this.frames.push(frame);
    if (this.frames.length > this.limit) this.frames.shift();
  };
}
