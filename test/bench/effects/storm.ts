/**
 * A storm of handshakes: initiators (handshake/initiator.ts) that take no time. So many at once, each of which begins anew as soon as it is
 * done; or so many a second. They sit on the cable beside a gateway's peer.
 */
import { ip, udp } from "../../host/ipsec_bench.ts";
import { Handshake, type KeyShare, keyShare, SUITES, type Step } from "../handshake/initiator.ts";

const SUITE = SUITES.find(({ name }) => name === "psk-x25519")!;
const PSK = "the key of a storm";
const REMOTE = 0xc0000201; // moon, 192.0.2.1
const LOCAL = 0xc0000264; // 192.0.2.100 and on
const IKE = 500;
const NATT = 4500;
const SHARES = 16;
/** Initiators at most, each with an address of its own. */
const SOURCES = 128;

const octets = (address: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(address >>> 0, 0);
  return four;
};

/** A connection for moon, in whose configuration it goes; its CHILD_SAs come to the board in `slot`, or to any. */
export const stormConnection = (slot?: number): string => `storm {
    local_addrs = 192.0.2.1
    remote_addrs = %any
    proposals = ${SUITE.proposal}
    mobike = no
    unique = never
    rekey_time = 0
    local {
      auth = psk
      id = moon.example
    }
    remote {
      auth = psk
      id = %any
    }
    children {
      storm {
        local_ts = 10.9.0.0/24
        remote_ts = 10.128.0.0/9
        esp_proposals = aes128gcm16
        rekey_time = 0
        ${slot === undefined ? "" : `placement = slot ${slot}`}
      }
    }
  }`;
/** Its secret. */
export const STORM_SECRET = `ike-storm {
    secret = "${PSK}"
  }`;

interface Attempt {
  handshake: Handshake;
  source: number;
  begun: number;
  /** The request that is under way. */
  request?: Buffer;
}

export class Storm {
  begun = 0;
  done = 0;
  retransmissions = 0;
  /** What each took, by `now`. */
  readonly times: number[] = [];
  now: () => number = () => 0;
  /** Calls back when an answer should be there: for gateways that lose packets. */
  patience: ((callback: () => void) => void) | undefined;
  readonly failures: string[] = [];
  /** Sends a packet to the gateway; false when that has no room. */
  readonly #send: (packet: Uint8Array) => boolean;
  readonly #later: (callback: () => void) => void;
  readonly #attempts = new Map<string, Attempt>();
  readonly #shares: readonly KeyShare[] = Array.from({ length: SHARES }, () => keyShare(SUITE.group));
  #blowing = false;
  #paced = false;

  /** `later` calls back after a retransmission's time. */
  constructor(send: (packet: Uint8Array) => boolean, later: (callback: () => void) => void) {
    this.#send = send;
    this.#later = later;
  }

  /** Begins with `concurrency` initiators. */
  begin(concurrency: number): void {
    this.#blowing = true;
    this.#paced = false;
    for (let i = 0; i < concurrency; i++) this.#next(LOCAL + i);
  }

  /**
   * Begins `rate` handshakes a second, whatever becomes of those before while there are no more than initiators; `after` calls back after so
   * many ns.
   */
  pace(rate: number, after: (delay: bigint, callback: () => void) => void): void {
    this.#blowing = this.#paced = true;
    const pause = BigInt(Math.round(1e9 / rate));
    const one = (): void => {
      if (!this.#blowing) return;
      if (this.#attempts.size < SOURCES) this.#next(LOCAL + (this.begun % SOURCES));
      after(pause, one);
    };
    after(pause, one);
  }

  /** Nobody begins anew. */
  end(): void {
    this.#blowing = false;
  }

  /** True when a packet that leaves the gateway is an initiator's. */
  take(packet: Uint8Array): boolean {
    const view = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
    const to = view.readUInt32BE(16);
    if (packet[9] !== 17 || to < LOCAL || to >= LOCAL + 156) return false;
    const datagram = Buffer.from(view.subarray(view.readUInt16BE(20) === NATT ? 32 : 28));
    const attempt = this.#attempts.get(datagram.subarray(0, 8).toString("latin1"));
    if (attempt) this.#step(attempt, attempt.handshake.take(datagram));
    return true;
  }

  #next(source: number): void {
    if (!this.#blowing) return;
    const number = this.begun++;
    const peer = {
      identity: `peer-${number}.example.org`,
      proof: { psk: PSK },
      local: octets(source),
      remote: octets(REMOTE),
    };
    const handshake = new Handshake(SUITE, this.#shares[number % SHARES]!, peer, octets(0x0a800000 + number), [
      octets(0x0a090000),
      octets(0x0a0900ff),
    ]);
    const attempt = { handshake, source, begun: this.now() };
    this.#attempts.set(handshake.spi.toString("latin1"), attempt);
    this.#step(attempt, handshake.begin());
  }

  #step(attempt: Attempt, step: Step): void {
    const { handshake, source, begun } = attempt;
    if ("send" in step) {
      const port = step.natt ? NATT : IKE;
      const payload = step.natt ? Buffer.concat([Buffer.alloc(4), step.send]) : step.send;
      const packet = ip(udp(payload, port, port), { source, destination: REMOTE });
      const transmit = (): void => {
        if (!this.#send(packet)) this.#later(transmit);
      };
      attempt.request = packet;
      transmit();
      this.#await(attempt, packet, transmit);
      return;
    }
    if ("ignored" in step) return;
    this.#attempts.delete(handshake.spi.toString("latin1"));
    if ("done" in step) {
      this.done += 1;
      this.times.push(this.now() - begun);
    } else this.failures.push("failed" in step ? step.failed : "deleted");
    if (!this.#paced) this.#next(source);
  }

  /** Sends a request again until it has been answered. */
  #await(attempt: Attempt, packet: Buffer, transmit: () => void): void {
    this.patience?.(() => {
      if (attempt.request !== packet || !this.#attempts.has(attempt.handshake.spi.toString("latin1"))) return;
      this.retransmissions += 1;
      transmit();
      this.#await(attempt, packet, transmit);
    });
  }
}
