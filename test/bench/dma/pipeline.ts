/**
 * How octets come from a NIC through two boards' memories to a NIC, in three threads: the NIC's, the IKE board's, the IPsec board's (stage.ts),
 * which have bursts one after the other. No firmware, no system calls: memories, rings and copies are the real ones. What came out is
 * compared with what was put in.
 */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { ringMemory } from "../../../host/chassis/drive/message_ring.ts";
import { threadFile } from "../../../host/thread/thread_file.ts";
import { RING_OCTETS } from "../gateway/two_gateways.ts";
import * as P from "./plan.ts";

const PATIENCE_MS = 30_000;

/** ns a packet of each thread, and the octets that boards' threads and their DMA copied for it. */
export interface Passage {
  nicIn: number;
  ike: number;
  ipsec: number;
  nicOut: number;
  copied: number;
}

export class Pipeline {
  readonly #control = new Int32Array(new SharedArrayBuffer(P.CONTROL_OCTETS));
  readonly #times = new Float64Array(new SharedArrayBuffer(8 * P.DONE));
  readonly #source = Buffer.from(new SharedArrayBuffer(P.BURST * P.PACKET_STRIDE));
  readonly #sink = Buffer.from(new SharedArrayBuffer(P.BURST * P.PACKET_STRIDE));
  readonly #workers: Worker[];
  #failure: Error | undefined;
  #bursts = 0;

  constructor() {
    const ram = (): SharedArrayBuffer =>
      new WebAssembly.Memory({ initial: P.RAM_PAGES, maximum: P.RAM_PAGES, shared: true })
        .buffer as unknown as SharedArrayBuffer;
    const common = {
      control: this.#control.buffer,
      times: this.#times.buffer,
      rings: [
        ringMemory(RING_OCTETS),
        ringMemory(RING_OCTETS),
        ringMemory(RING_OCTETS),
        ringMemory(RING_OCTETS),
      ] as const,
      source: this.#source.buffer as unknown as SharedArrayBuffer,
      sink: this.#sink.buffer as unknown as SharedArrayBuffer,
      shared: [ram(), ram()] as const,
    };
    const file = threadFile(new URL("./stage.ts", import.meta.url));
    Atomics.store(this.#control, P.STAGE, P.DONE);
    this.#workers = [[P.NIC_IN, P.NIC_OUT], [P.IKE], [P.IPSEC]].map((stages) => {
      const workerData: P.StageParts = { stages, ...common };
      const worker = new Worker(file, { workerData, execArgv: [] });
      worker.on("error", (error) => (this.#failure = error as Error));
      return worker;
    });
  }

  /** A burst of packets of `octets` octets. Throws when it does not come out as it was. */
  async pass(way: P.Way, octets: number): Promise<Passage> {
    for (let i = 0; i < P.BURST; i++)
      this.#source.fill((this.#bursts + i) & 255, i * P.PACKET_STRIDE, i * P.PACKET_STRIDE + octets);
    this.#bursts += 1;
    this.#sink.fill(0);
    const control = this.#control;
    Atomics.store(control, P.WAY, P.WAYS.indexOf(way));
    Atomics.store(control, P.OCTETS, octets);
    Atomics.store(control, P.COPIED, 0);
    Atomics.store(control, P.STAGE, P.NIC_IN);
    Atomics.notify(control, P.STAGE);
    for (const start = performance.now(); Atomics.load(control, P.STAGE) !== P.DONE; ) {
      if (this.#failure) throw this.#failure;
      if (performance.now() - start > PATIENCE_MS) throw new Error(`${way}: a burst does not come out`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (let i = 0; i < P.BURST; i++) {
      const at = i * P.PACKET_STRIDE;
      assert.ok(
        this.#sink.subarray(at, at + octets).equals(this.#source.subarray(at, at + octets)),
        `${way}: packet ${i}`,
      );
    }
    const time = (stage: number): number => this.#times[stage]! / P.BURST;
    return {
      nicIn: time(P.NIC_IN),
      ike: time(P.IKE),
      ipsec: time(P.IPSEC),
      nicOut: time(P.NIC_OUT),
      copied: Atomics.load(control, P.COPIED) / P.BURST,
    };
  }

  async close(): Promise<void> {
    Atomics.store(this.#control, P.STOP, 1);
    Atomics.notify(this.#control, P.STAGE);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
