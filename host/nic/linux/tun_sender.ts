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
    private readonly source: PacketSource,
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
    return this.source.pending();
  }

  /** Writes what the source has to the device. */
  send(): void {
    if (this.departure === undefined) this.sendEach();
    else if (this.source.pending()) this.departure.send(this.source);
  }

  private sendEach(): void {
    const { counters, source } = this;
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
