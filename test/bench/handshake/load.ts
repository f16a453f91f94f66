/**
 * The load of `npm run bench -- handshake`, a process of its own inside the initiators' namespace: COUNT handshakes, so many at
 * a time, from several addresses. Its order comes as JSON on stdin, what came of it goes as JSON to stdout.
 */
import { createSocket, type Socket } from "node:dgram";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { processorTime } from "../wire/processor_time.ts";
import { SUITES, Handshake, keyShare, type KeyShare, type Step, type Suite } from "./initiator.ts";

export interface Order {
  suite: string;
  /** What the initiators prove themselves by: one shared key for all, or certificates that take turns, with their FQDNs. */
  psk?: string;
  credentials: readonly { identity: string; certificate: string; key: string; responder: string }[];
  /** IPv4 addresses: ours, and the responder's. */
  local: readonly string[];
  remote: string;
  count: number;
  concurrency: number;
  /** Each IKE_SA is deleted once it is there. */
  remove: boolean;
  /** Number of the first initiator: identities and inner addresses follow it. */
  first: number;
  /** The responder's process. */
  responder: number;
}

export interface Outcome {
  done: number;
  failures: Record<string, number>;
  retransmissions: number;
  /** Handshakes that took a round more because the responder asked for a cookie. */
  cookies: number;
  milliseconds: number;
  /** Processor time of the responder meanwhile, and for what it does of them afterwards, ms. */
  cpu: number;
}

/** Key pairs that take turns. */
const SHARES = 16;
const FIRST_RETRANSMISSION = 1000;
const TRANSMISSIONS = 6;
const NON_ESP_MARKER = Buffer.alloc(4);
/** What a responder keeps and tells of the last handshakes it has done by then. */
const AFTERWARDS_MS = 200;

interface Attempt {
  handshake: Handshake;
  sockets: Sockets;
  sent: Extract<Step, { send: Buffer }>;
  transmissions: number;
  timer: NodeJS.Timeout | undefined;
}

interface Sockets {
  address: string;
  ike: Socket;
  natt: Socket;
}

const octets = (address: string): Buffer => Buffer.from(address.split(".").map(Number));

function bound(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
    socket.once("error", reject);
    socket.bind(port, address, () => resolve(socket));
  });
}

class Load {
  readonly outcome: Outcome = { done: 0, failures: {}, retransmissions: 0, cookies: 0, milliseconds: 0, cpu: 0 };
  private readonly attempts = new Map<string, Attempt>();
  private begun = 0;
  private ended = 0;
  private finish: () => void = () => undefined;
  private readonly shares: KeyShare[];

  constructor(
    private readonly order: Order,
    private readonly suite: Suite,
  ) {
    this.shares = Array.from({ length: SHARES }, () => keyShare(suite.group));
  }

  async run(): Promise<Outcome> {
    const all: Sockets[] = [];
    for (const address of this.order.local) {
      const [ike, natt] = [await bound(address, 500), await bound(address, 4500)];
      ike.on("message", (datagram) => this.take(datagram));
      natt.on("message", (datagram) => this.take(datagram.subarray(4)));
      all.push({ address, ike, natt });
    }
    const before = processorTime(this.order.responder);
    const began = performance.now();
    await new Promise<void>((resolve) => {
      this.finish = resolve;
      for (let i = 0; i < this.order.concurrency; i++) this.next(all[i % all.length] as Sockets);
    });
    this.outcome.milliseconds = performance.now() - began;
    await sleep(AFTERWARDS_MS);
    this.outcome.cpu = processorTime(this.order.responder) - before;
    for (const { ike, natt } of all) {
      ike.close();
      natt.close();
    }
    return this.outcome;
  }

  private next(sockets: Sockets): void {
    if (this.begun === this.order.count) return;
    const number = this.order.first + this.begun++;
    const { psk, credentials } = this.order;
    const own = credentials[number % Math.max(1, credentials.length)];
    const peer = own
      ? { identity: own.identity, proof: { ...own, certificate: Buffer.from(own.certificate, "base64") } }
      : { identity: `peer-${number}.example.org`, proof: { psk: psk ?? "" } };
    const inner = Buffer.alloc(4);
    inner.writeUInt32BE(0x0a800000 + number, 0);
    const handshake = new Handshake(
      this.suite,
      this.shares[number % SHARES] as KeyShare,
      {
        ...peer,
        local: octets(sockets.address),
        remote: octets(this.order.remote),
      },
      inner,
      [octets("10.2.0.0"), octets("10.2.0.255")],
    );
    const sent = handshake.begin();
    if (!("send" in sent)) throw new Error("nothing to begin with");
    const attempt: Attempt = { handshake, sockets, sent, transmissions: 0, timer: undefined };
    this.attempts.set(handshake.spi.toString("latin1"), attempt);
    this.transmit(attempt);
  }

  private transmit(attempt: Attempt): void {
    const { sockets, sent } = attempt;
    clearTimeout(attempt.timer);
    if (attempt.transmissions === TRANSMISSIONS) return this.end(attempt, "no answer");
    if (attempt.transmissions > 0) this.outcome.retransmissions += 1;
    attempt.timer = setTimeout(() => this.transmit(attempt), FIRST_RETRANSMISSION << attempt.transmissions);
    attempt.transmissions += 1;
    const { remote } = this.order;
    if (sent.natt) sockets.natt.send([NON_ESP_MARKER, sent.send], 4500, remote);
    else sockets.ike.send(sent.send, 500, remote);
  }

  private take(datagram: Buffer): void {
    const attempt = this.attempts.get(datagram.subarray(0, 8).toString("latin1"));
    if (!attempt) return;
    const step = attempt.handshake.take(datagram);
    if ("send" in step) {
      attempt.sent = step;
      attempt.transmissions = 0;
      this.transmit(attempt);
    } else if ("done" in step) {
      this.outcome.done += 1;
      const end = this.order.remove ? attempt.handshake.end() : undefined;
      if (!end || !("send" in end)) return this.end(attempt);
      attempt.sent = end;
      attempt.transmissions = 0;
      this.transmit(attempt);
    } else if ("deleted" in step) {
      this.end(attempt);
    } else if ("failed" in step) {
      this.end(attempt, step.failed);
    }
  }

  private end(attempt: Attempt, failure?: string): void {
    clearTimeout(attempt.timer);
    if (attempt.handshake.cookie !== undefined) this.outcome.cookies += 1;
    this.attempts.delete(attempt.handshake.spi.toString("latin1"));
    if (failure !== undefined) this.outcome.failures[failure] = (this.outcome.failures[failure] ?? 0) + 1;
    this.ended += 1;
    if (this.ended === this.order.count) this.finish();
    else this.next(attempt.sockets);
  }
}

const order = JSON.parse(await text(process.stdin)) as Order;
const suite = SUITES.find(({ name }) => name === order.suite);
if (!suite) throw new Error(`${order.suite}: no such suite`);
console.log(JSON.stringify(await new Load(order, suite).run()));
