/**
 * What a message costs does not depend on how many IKE_SAs there are: counted in basic blocks of firmware (test/coverage), not in
 * time. A responder takes one peer after the other, each from an address and with an identity of its own, and the same exchanges are
 * counted with few and with many of them there. CARDCAGE_SCALE=10000 in the environment makes it as many.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CONFIG_IKE_SA_CAPACITY, CONFIG_SA_CAPACITY } from "../../assembly/abi/config.ts";
import * as M from "../../assembly/abi/management.ts";
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { instrument } from "../coverage/instrument.ts";
import { connection, Endpoint, from, to, type Item } from "./ike_endpoints.ts";

const CHILD: Item = [M.CHILD_NAME, Buffer.from("net")];
const GW: Item = [M.CONNECTION_NAME, Buffer.from("gw")];
const FEW = 50;
const MANY = Number(process.env.CARDCAGE_SCALE ?? 500);
const IKE_SAS = Math.ceil(MANY * 1.4) + 64;
const CHILD_SAS = MANY + 64;
/** Octets of RAM for each IKE_SA and its CHILD_SA, and what there is beside them. */
const PAGES = Math.max(1024, Math.ceil((MANY * 48 * 1024) / 65536) + 640);

const made = instrument({
  entry: "test/entries/ike_fuzz.ts",
  build: "simd",
  covers: (file) => file.startsWith("assembly/ike/") || file.startsWith("assembly/wire/ike_"),
  pages: PAGES,
});

const A = [192, 0, 2, 1];
const B = [192, 0, 2, 2];
const entropy = (side: string): Buffer => createHash("sha512").update(side).digest();

class Crowd {
  readonly a = new Endpoint(A, "secret", entropy("a"));
  readonly b: Endpoint;
  readonly #restore: () => void;
  readonly #counts: Uint32Array;
  time = 1_000_000_000n;
  peers = 0;

  constructor() {
    const room: Item[] = [
      [CONFIG_IKE_SA_CAPACITY, IKE_SAS],
      [CONFIG_SA_CAPACITY, CHILD_SAS],
    ];
    const image = { module: new WebAssembly.Module(readFileSync(made.path)), pages: PAGES };
    this.b = new Endpoint(B, "secret", entropy("b"), room, image);
    const any = [M.CONNECTION_REMOTE_ADDRESS, M.CONNECTION_REMOTE_ID];
    this.b.command(
      M.MANAGEMENT_CONNECTION_LOAD,
      connection(2).filter(([type]) => !any.includes(type)),
    );
    this.b.poll(this.time);
    this.#restore = this.a.snapshot();
    this.#counts = new Uint32Array(this.b.memory.buffer, made.counters, made.blocks.length);
  }

  /** Both go on; A is seen at the address of the last peer, as if behind a NAT. */
  settle(): void {
    const n = this.peers;
    const place = [10, 1 + (n >> 16), (n >> 8) & 255, n & 255];
    for (let idle = 0; idle < 5; idle++) {
      this.a.poll(this.time);
      this.b.poll(this.time);
      for (const packet of this.a.sent.splice(0)) {
        this.b.push(PORT_UNPROTECTED, from(packet, place, packet.readUInt16BE(20)));
        idle = 0;
      }
      for (const packet of this.b.sent.splice(0)) {
        this.a.push(PORT_UNPROTECTED, to(packet, A, packet.readUInt16BE(22)));
        idle = 0;
      }
    }
    this.b.messages.length = 0;
  }

  /** One peer more: A is somebody else. */
  come(): void {
    this.peers += 1;
    this.#restore();
    const name = Buffer.from(`\u0002peer${this.peers}.example`);
    const own = connection(1).map(([type, value]): Item => [type, type === M.CONNECTION_LOCAL_ID ? name : value]);
    this.a.command(M.MANAGEMENT_CONNECTION_LOAD, own);
    this.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
    this.settle();
    // No timer of B's is due meanwhile.
    this.time += 1_000n;
  }

  /** Blocks that B runs while something happens, its idle polls among them. */
  blocks(happens: () => void): number {
    this.#counts.fill(0);
    happens();
    this.settle();
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** What each thing costs with as many peers as there are. */
  costs(): Record<string, number> {
    const command = (type: number, item: Item): number => this.blocks(() => this.a.command(type, [item]));
    const costs = {
      "nothing at all": this.blocks(() => undefined),
      "IKE_SA_INIT, IKE_AUTH and the CHILD_SA": this.blocks(() => this.come()),
      "a rekey of the CHILD_SA": command(M.MANAGEMENT_REKEY, CHILD),
      "a rekey of the IKE_SA": command(M.MANAGEMENT_REKEY, GW),
      "a Delete of the CHILD_SA": command(M.MANAGEMENT_TERMINATE, CHILD),
      "a new CHILD_SA": command(M.MANAGEMENT_INITIATE, CHILD),
      "a Delete of the IKE_SA": command(M.MANAGEMENT_TERMINATE, GW),
      "a message of nobody's": this.blocks(() => {
        const packet = Buffer.from(this.a.sent.at(-1) ?? from(Buffer.alloc(64), A, 500));
        packet[0] = 0x45;
        packet[9] = 17;
        this.b.push(PORT_UNPROTECTED, to(packet, B, 500));
      }),
    };
    this.peers += 1;
    return costs;
  }
}

test(`exchanges cost the same with ${FEW} and with ${MANY} IKE_SAs`, () => {
  const crowd = new Crowd();
  while (crowd.peers < FEW) crowd.come();
  const few = crowd.costs();
  while (crowd.peers < MANY) crowd.come();
  const many = crowd.costs();
  // Answers to the last Deletes are kept for a while.
  crowd.time += 300_000_000_000n;
  crowd.settle();
  // Each count left one that was deleted again, and one that never came.
  assert.is(IKE_SAS - crowd.b.wasm.freeIkeSas(), crowd.peers - 4, "IKE_SAs");
  assert.is(CHILD_SAS - crowd.b.wasm.freeChildSas(), crowd.peers - 4, "CHILD_SAs");
  for (const [what, cost] of Object.entries(few)) {
    console.log(`${what}: ${cost} blocks with ${FEW}, ${many[what]} with ${MANY}`);
    assert.ok(cost > 0);
    assert.ok(
      many[what] <= cost * 1.02 + 8,
      `${what} costs ${cost} blocks with ${FEW} IKE_SAs, ${many[what]} with ${MANY}`,
    );
  }
});

test.run();
