/**
 * The cross-connect of the ATM backplane in cell mode, for a drive that has no rings between boards: it keeps the cells towards each slot,
 * a queue for each VC, and passes them on a cell of every VC in turn, as an output port that several inputs share does.
 *
 * Empty after every round of the boards, so it holds no more than their transmit rings did.
 */
import { CELL_OCTETS } from "./aal5.ts";
import type { Carry } from "./tap/fault_injector.ts";

interface Queue {
  from: number;
  vc: number;
  bursts: Uint8Array[];
  /** Octets of the first burst that have gone. */
  gone: number;
}

export class CrossConnect {
  readonly #ports = new Map<number, Queue[]>();
  readonly #next: Carry;

  /** `next` takes one cell at a time. */
  constructor(next: Carry) {
    this.#next = next;
  }

  /** Takes cells, copied, as they come from slot `from`. */
  readonly carry: Carry = (from, to, vc, wire, at, size) => {
    let port = this.#ports.get(to);
    if (!port) this.#ports.set(to, (port = []));
    let queue = port.find((one) => one.vc === vc && one.from === from);
    if (!queue) port.push((queue = { from, vc, bursts: [], gone: 0 }));
    queue.bursts.push(wire.slice(at, at + size));
  };

  /** Passes on all that waits; false when there was nothing. */
  serve(): boolean {
    let served = false;
    for (const [to, port] of this.#ports) {
      for (let busy = true; busy; ) {
        busy = false;
        for (const queue of port) {
          const burst = queue.bursts[0];
          if (!burst) continue;
          busy = served = true;
          this.#next(queue.from, to, queue.vc, burst, queue.gone, CELL_OCTETS);
          queue.gone += CELL_OCTETS;
          if (queue.gone < burst.length) continue;
          queue.bursts.shift();
          queue.gone = 0;
        }
      }
    }
    return served;
  }
}
