/** Protected side, outward: whole IP packets to the TUN device, joined to superframes where the kernel has segmentation offload (tun_departure.ts). */
import * as libc from "./libc.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import type { PacketSource } from "./packet_path.ts";
import { TunDeparture } from "./tun_departure.ts";

const TUN_SENT = counterIndex("tun_sent");
const WOULD_BLOCK = counterIndex("protected_tx_would_block");
const FAILED = counterIndex("protected_tx_failed");

export class TunSender {
  private readonly departure: TunDeparture | undefined;

  constructor(
    private readonly tun: { fd: number; offload: boolean },
    /** In turn. */
    private readonly sources: readonly PacketSource[],
    private readonly counters: NicCounters,
  ) {
    if (tun.offload) {
      this.departure = new TunDeparture(tun.fd, (packets) => {
        if (packets > 0) counters.add(TUN_SENT, packets);
        else counters.add(this.failure(), -packets);
      });
    }
  }

  pending(): boolean {
    for (const source of this.sources) if (source.pending()) return true;
    return false;
  }

  /** Writes what the sources hold to the device. */
  send(): void {
    for (const source of this.sources) {
      if (this.departure === undefined) this.sendFrom(source);
      else if (source.pending()) this.departure.send(source);
    }
  }

  private sendFrom(source: PacketSource): void {
    const { counters } = this;
    let sent = 0;
    for (let at = source.peek(); at >= 0; at = source.peek()) {
      if (libc.write(this.tun.fd, source.base + at, source.length) === source.length) sent++;
      else counters.add(this.failure(), 1);
    }
    source.release();
    counters.add(TUN_SENT, sent);
  }

  private failure(): number {
    return libc.errno() === libc.EAGAIN ? WOULD_BLOCK : FAILED;
  }
}
