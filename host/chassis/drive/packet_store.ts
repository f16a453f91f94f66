/** Received packets, copied out of shared memory into chunks, many to an allocation. */

/** Octets that packets are cut from. */
const CHUNK = 65536;

export class PacketStore {
  #chunk = new Uint8Array(CHUNK);
  #used = 0;

  copy(source: Uint8Array, at: number, length: number): Uint8Array {
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(Math.max(CHUNK, length));
      this.#used = 0;
    }
    const packet = this.#chunk.subarray(this.#used, this.#used + length);
    packet.set(source.subarray(at, at + length));
    this.#used += length;
    return packet;
  }
}
