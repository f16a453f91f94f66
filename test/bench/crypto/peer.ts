/**
 * What the bench asks of a peer: sealing and opening one packet, in the way that its documentation shows for many packets under
 * one key. Key schedules and keyed states are made once where the library lets one; buffers for results are given where it takes
 * any, and the results of others are new.
 *
 * A peer that has no transform of this kind answers null. One that cannot be loaded is an error.
 */
import type { Keys, Packet } from "./packets.ts";
import type { BenchTransform } from "./transforms.ts";

/** data | ICV in one, or the two apart; the ICV may be longer than what is sent of it. */
export type Sealed = Uint8Array | readonly [data: Uint8Array, icv: Uint8Array];

export interface Worker {
  seal(packet: Packet): Sealed;
  /** The payload. Throws when the ICV is wrong. */
  open(packet: Packet): Uint8Array;
}

export interface Peer {
  /** The name in the results: that of the package. */
  name: string;
  prepare(transform: BenchTransform, keys: Keys, dataOctets: number): Promise<Worker | null>;
}

/** A keyed MAC over one or two runs of octets; the result may be longer than what is sent, and may be overwritten by the next. */
export type MacOf = (first: Uint8Array, second?: Uint8Array) => Uint8Array;

export interface CipherOf {
  encrypt(packet: Packet): Uint8Array;
  decrypt(packet: Packet): Uint8Array;
}

/** Compares the octets that are sent of an ICV, in time that does not tell where they differ. */
export function checkIcv(mac: Uint8Array, icv: Uint8Array): void {
  let difference = 0;
  for (let i = 0; i < icv.length; i++) difference |= mac[i]! ^ icv[i]!;
  if (difference !== 0) throw new Error("wrong ICV");
}

/** NULL encryption with a MAC. */
export function macWorker(mac: MacOf): Worker {
  return {
    seal: (packet) => [packet.plain, mac(packet.text)],
    open(packet) {
      checkIcv(mac(packet.text), packet.icv);
      return packet.data;
    },
  };
}

/** Encrypt, then MAC; opening verifies first. */
export function pairWorker(cipher: CipherOf, mac: MacOf): Worker {
  return {
    seal(packet) {
      const data = cipher.encrypt(packet);
      return [data, mac(packet.lead, data)];
    },
    open(packet) {
      checkIcv(mac(packet.text), packet.icv);
      return cipher.decrypt(packet);
    },
  };
}
