/**
 * The gateway's NICs on Linux: UDP and raw sockets on the unprotected side, a TUN device on the protected side, served by
 * one worker thread. Needs root, or CAP_NET_ADMIN, CAP_NET_RAW and (ports below 1024) CAP_NET_BIND_SERVICE; the error
 * names what is missing. No kernel IPsec is used or needed.
 */

import { Worker } from "node:worker_threads";
import { PORT_PROTECTED } from "../../../assembly/abi/ring.ts";
import { type DeviceLineParts, Doorbell, type LineDevice, type LineEnds } from "../../chassis/drive/line.ts";
import type { LineProgram } from "../../chassis/drive/line_program.ts";
import { addressOctets } from "../../chassis/config.ts";
import { threadFile } from "../../thread/thread_file.ts";
import * as libc from "./libc.ts";
import { NIC_COUNTERS_OCTETS, NicCounters } from "./counters.ts";
import { PacketRing, packetRingOctets } from "./packet_ring.ts";
import { ReadingRight, WORKER } from "./reading_right.ts";
import { openAddressWatch } from "./address_watch.ts";
import { BoardReceivers } from "./board_receivers.ts";
import { BypassRoutes } from "./bypass_routes.ts";
import type { LineSenderData } from "./line_sender.ts";
import { SharedSockets } from "./shared_sockets.ts";
import { NicError, kernelDrops, openBypassSockets, openOuterSockets } from "./sockets.ts";
import type { OuterSocket } from "./sockets.ts";
import { RingNic } from "./ring_nic.ts";
import { RING_CAPACITY, STATE_BELL, STATE_OCTETS, STATE_STOP, STATE_TOLD } from "./shared_state.ts";
import type { NicCommand, NicMessage, NicWorkerData } from "./shared_state.ts";
import { TunAddresses, TunRoutes, openTun } from "./tun.ts";
import type { ProtectedRoute, TunOptions } from "./tun.ts";
import type { Nic } from "../nic.ts";

export { NicError } from "./sockets.ts";
export { interfaceAddresses, localAddresses, presentAddresses } from "./interfaces.ts";
export type { ProtectedRoute, TunOptions } from "./tun.ts";

export interface LinuxNicOptions {
  /** Addresses of the unprotected side, of either family. */
  localAddresses: readonly string[];
  portIke?: number;
  portNatt?: number;
  tun: TunOptions;
  /** Networks behind the peers, led into the TUN device. */
  routes?: readonly ProtectedRoute[];
  /** Outer addresses of peers that stay on their present path although a route covers them. */
  keep?: readonly string[];
  /** Policies let packets by in clear: they leave on the path beside the tunnel. */
  bypass?: boolean;
  /** Told when addresses have come or gone, or interfaces gone up or down: once for several changes in a row. */
  onAddresses?: () => void;
  /** Told once when the worker has failed (the TUN device was deleted, say); no packet moves any more. */
  onFailure?: (error: Error) => void;
}

export interface LinuxNics {
  unprotected: Nic;
  protected: Nic;
  /** Name that the kernel gave to the TUN device. */
  tunName: string;
  /** Counters by name (counters.ts), and the kernel's own drops at full socket buffers. */
  counters(): Record<string, number>;
  /** Replaces the routes into the TUN device. */
  setRoutes(routes: readonly ProtectedRoute[], keep?: readonly string[]): Promise<void>;
  /** Replaces the addresses of the TUN device. */
  setAddresses(addresses: readonly string[]): Promise<void>;
  /** Listens on these addresses from now on, and on no others; gives those that can be listened on. */
  setLocalAddresses(addresses: readonly string[]): Promise<string[]>;
  /** Sends what is queued, then closes both NICs; device and routes are gone when it resolves. */
  close(): Promise<void>;
}

/** What changes of addresses are waited for after the first, ms: they come in heaps. */
const SETTLE_MILLISECONDS = 200;

/** An address, however it is spelled. */
const nameOf = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

const wakeOne = new BigUint64Array([1n]);
const wakeOneAddress = libc.addressOf(wakeOne.buffer);

function newRing(): PacketRing {
  return new PacketRing(new SharedArrayBuffer(packetRingOctets(RING_CAPACITY)));
}

/** Starts the worker and waits until it is in its loop. */
function startWorker(data: NicWorkerData): Promise<Worker> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(threadFile(new URL("./worker.ts", import.meta.url)), { workerData: data, execArgv: [] });
    const failed = (error: Error): void => reject(error);
    const ended = (code: number): void => reject(new Error(`the NIC worker ended with ${code} at its start`));
    worker.once("error", failed);
    worker.once("exit", ended);
    worker.once("message", () => {
      worker.off("error", failed);
      worker.off("exit", ended);
      resolve(worker);
    });
  });
}

/** Opens both NICs. Throws NicError, RangeError or Error with the reason; then nothing is left open. */
export async function openLinuxNics(options: LinuxNicOptions): Promise<LinuxNics> {
  const ports = [options.portIke ?? 500, options.portNatt ?? 4500] as const;
  let sockets = openOuterSockets(options.localAddresses, ...ports);
  const descriptors = sockets.map(({ fd }) => fd);
  let bypassing: OuterSocket[] = [];
  let bypass: BypassRoutes | undefined;
  const closeDescriptors = (): void => descriptors.splice(0).forEach((fd) => libc.close(fd));
  let routes: TunRoutes | undefined;
  try {
    const tun = await openTun(options.tun);
    descriptors.push(tun.fd);
    routes = new TunRoutes(tun.name);
    const addresses = new TunAddresses(tun.name);
    await routes.replace(options.routes ?? [], options.keep ?? []);
    if (options.bypass) {
      bypassing = openBypassSockets();
      descriptors.push(...bypassing.map(({ fd }) => fd));
      bypass = new BypassRoutes(tun.name);
      await bypass.replace();
    }
    const wakeFd = libc.eventfd(0, libc.O_NONBLOCK | libc.O_CLOEXEC);
    if (wakeFd < 0) throw new NicError(`eventfd: errno ${libc.errno()}`, libc.errno());
    descriptors.push(wakeFd);
    const watch = openAddressWatch();
    descriptors.push(watch);

    const state = new Int32Array(new SharedArrayBuffer(STATE_OCTETS));
    const counters = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));
    const rings = [newRing(), newRing(), newRing(), newRing()];
    const [unprotectedReceive, unprotectedTransmit, protectedReceive, protectedTransmit] = rings;
    const shared = new SharedSockets();
    shared.write([...sockets, ...bypassing]);
    const parts: NicWorkerData = {
      sockets: shared.memory,
      tun,
      wake: wakeFd,
      watch,
      state: state.buffer as SharedArrayBuffer,
      counters: counters.memory,
      unprotectedReceive: unprotectedReceive.memory,
      unprotectedTransmit: unprotectedTransmit.memory,
      protectedReceive: protectedReceive.memory,
      protectedTransmit: protectedTransmit.memory,
    };
    const worker = await startWorker(parts);

    let stopped = false;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const bell = { memory: state.buffer as SharedArrayBuffer, at: STATE_BELL, descriptor: wakeFd };
    const doorbell = new Doorbell(bell);
    const wake = (): void => {
      if (!stopped) doorbell.ring();
    };
    /** What senders in boards' threads count, by slot and port: of those that are there, and of those that were. */
    const sending = new Map<string, NicCounters>();
    const sent = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));
    const newSender = (slot: number, port: number): LineProgram => {
      const name = `${slot} ${port}`;
      const before = sending.get(name);
      if (before) sent.addAll(before);
      const own = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));
      sending.set(name, own);
      const { fd, offload } = tun;
      const data: LineSenderData = {
        counters: own.memory,
        ...(port === PORT_PROTECTED ? { tun: { fd, offload } } : { sockets: shared.memory }),
      };
      return { program: threadFile(new URL("./line_sender.ts", import.meta.url)).href, data };
    };
    const ends: LineEnds[] = [];
    /** Awake or not: commands and the table of sockets are looked at when the descriptor says so. */
    const rouse = (): void => {
      if (!stopped) libc.write(wakeFd, wakeOneAddress, 8);
    };
    const command = (message: NicCommand): void => {
      worker.postMessage(message);
      rouse();
    };
    const receivers = new BoardReceivers(parts, command, rouse, () => {
      // Lowered before looking: what arrives from here on brings a message of its own.
      Atomics.store(state, STATE_TOLD, 0);
      unprotectedNic.deliver();
      protectedNic.deliver();
    });
    const line: LineDevice = {
      bell,
      busy: false,
      wire: (lineParts: DeviceLineParts, lineEnds: LineEnds): void => {
        ends.push(lineEnds);
        receivers.wire(lineParts, lineEnds);
        command({ line: lineParts });
      },
      sender: newSender,
      receiver: () => receivers.open(),
      classify: (message, done): void => receivers.tell({ classify: message }, done),
      classifierAddresses: (items): void => receivers.tell({ classifierAddresses: items }),
    };
    /** Boards' threads use what the worker has no more: descriptors may be closed. */
    const cutLines = async (): Promise<void> => {
      const cut = ends.map((end) => end.cut());
      ReadingRight.dismiss(state);
      await Promise.all(cut);
    };
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= (async () => {
        clearTimeout(settling);
        // The boards' threads write to the descriptor that is closed here, and read others.
        await cutLines();
        Atomics.store(state, STATE_STOP, 1);
        rouse();
        await ended;
        stopped = true;
        for (const { reclaim } of ends) reclaim();
        await bypass?.remove();
        await routes?.removeRoutes();
        closeDescriptors();
      })();
      return closing;
    };
    const count = (): Record<string, number> => ({
      ...NicCounters.total([counters, sent, ...sending.values(), ...receivers.counters]),
      kernel_rx_dropped: stopped ? 0 : kernelDrops(sockets),
    });
    const unprotectedNic = new RingNic(
      "unprotected",
      unprotectedReceive,
      unprotectedTransmit,
      counters,
      wake,
      close,
      line,
      count,
    );
    const protectedNic = new RingNic(
      "protected",
      protectedReceive,
      protectedTransmit,
      counters,
      wake,
      close,
      line,
      count,
    );
    let settling: NodeJS.Timeout | undefined;
    let swaps: { version: number; done: () => void }[] = [];
    worker.on("message", (message: NicMessage) => {
      if (message.kind === "addresses") {
        settling ??= setTimeout(() => {
          settling = undefined;
          if (!stopped && !closing) options.onAddresses?.();
        }, SETTLE_MILLISECONDS);
        return;
      }
      if (message.kind === "sockets") {
        for (const { version, done } of swaps) if (version <= message.version) done();
        swaps = swaps.filter(({ version }) => version > message.version);
      }
      if (message.kind === "received" || message.kind === "classified") receivers.heard(WORKER, message);
    });
    worker.on("error", (error) => {
      stopped = true;
      void cutLines().then(() => ends.forEach(({ reclaim }) => reclaim()));
      options.onFailure?.(error);
    });

    const setLocalAddresses = async (wantedAddresses: readonly string[]): Promise<string[]> => {
      const wanted = new Map(wantedAddresses.map((address) => [nameOf(addressOctets(address)), address]));
      const kept = sockets.filter(({ address }) => wanted.has(nameOf(address)));
      const gone = sockets.filter(({ address }) => !wanted.has(nameOf(address)));
      const present = new Set(kept.map(({ address }) => nameOf(address)));
      const opened: OuterSocket[] = [];
      for (const [name, address] of wanted) {
        if (present.has(name)) continue;
        try {
          opened.push(...openOuterSockets([address], ...ports));
          present.add(name);
        } catch (error) {
          // It has gone again, or is not usable yet: the next change is told of, too.
          if (!(error instanceof NicError)) throw error;
        }
      }
      sockets = [...kept, ...opened];
      descriptors.push(...opened.map(({ fd }) => fd));
      const version = shared.write([...sockets, ...bypassing]);
      const swapped = new Promise<void>((done) => swaps.push({ version, done }));
      rouse();
      receivers.wake();
      await Promise.race([swapped, ended]);
      await Promise.all(ends.map(({ passed }) => passed()));
      await routes?.refresh();
      await bypass?.replace();
      for (const { fd } of gone) {
        const at = descriptors.indexOf(fd);
        if (at >= 0) descriptors.splice(at, 1).forEach((closed) => libc.close(closed));
      }
      return [...wanted].filter(([name]) => present.has(name)).map(([, address]) => address);
    };

    return {
      unprotected: unprotectedNic,
      protected: protectedNic,
      tunName: tun.name,
      counters: count,
      setLocalAddresses,
      setRoutes: async (wanted, keep) => {
        await routes!.replace(wanted, keep ?? []);
        await bypass?.replace();
      },
      setAddresses: (wanted) => addresses.replace(wanted),
      close,
    };
  } catch (error) {
    await bypass?.remove();
    await routes?.removeRoutes();
    closeDescriptors();
    throw error;
  }
}
