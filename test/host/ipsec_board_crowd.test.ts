/**
 * An IPsec board with more SAs than stay near (assembly/ipsec/sa_ahead.ts) and more keys than are kept expanded: batches in which each packet is of
 * another SA, sealed and clear ones mixed with those that have none, come out as single packets do.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DROP_IP_MALFORMED, DROP_NO_SA_ENTRY_IPSEC_BOARD } from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { arriving, be, Bench, clear, esp, open, sealedPacket } from "./ipsec_bench.ts";

const CHILD_SAS = 1500;
const BATCH = 64;
const NET = 0x0b000000;
const SPI_IN = 0x80000001;
const SPI_OUT = 0x00010001;

/** The key of an SA: no two have the same one. */
const keyOf = (n: number, direction: number) =>
  Buffer.concat([be(n, 4), be(direction, 4), Buffer.alloc(8, 0x5a), be(0xc0ffee00 + direction, 4)]);

for (const build of ["simd", "base"] as const) {
  test(`${build}: each packet of another SA, of none, or none at all`, () => {
    const bench = new Bench(build, undefined, [], undefined, { childSas: CHILD_SAS });
    const sa = (n: number, direction: number) => ({
      direction,
      link: n + 1,
      spi: (direction === M.DIRECTION_INBOUND ? SPI_IN : SPI_OUT) + n,
      key: keyOf(n, direction),
      remote: [NET + n, NET + n] as [number, number],
    });
    for (let n = 0; n < CHILD_SAS; n++) {
      for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND])
        assert.is(bench.install(sa(n, direction)).type, M.MESSAGE_SA_INSTALLED);
    }
    const gone = new Set<number>();
    const random = new SeededRandom(20);
    const numbers = new Map<number, bigint>();
    const batch = (): void => {
      const opened: string[] = [];
      const sealed: [number, string][] = [];
      let [unknown, malformed] = [0, 0];
      const before = [DROP_NO_SA_ENTRY_IPSEC_BOARD, DROP_IP_MALFORMED].map((reason) => bench.drops(reason));
      for (let i = 0; i < BATCH; i++) {
        const n = random.below(CHILD_SAS + 100);
        const known = n < CHILD_SAS && !gone.has(n);
        const kind = random.below(8);
        if (kind === 0) {
          bench.packet(Buffer.concat([Buffer.from([0x4f]), Buffer.alloc(40)]));
          malformed += 1;
        } else if (kind < 4) {
          const number = (numbers.get(n) ?? 0n) + 1n;
          numbers.set(n, number);
          const inner = arriving(30 + random.below(300), { source: NET + n });
          bench.packet(sealedPacket(esp(inner, number, { spi: SPI_IN + n, key: keyOf(n, M.DIRECTION_INBOUND) })));
          if (known) opened.push(inner.toString("hex"));
          else unknown += 1;
        } else {
          const packet = clear(30 + random.below(300), { destination: NET + n });
          bench.packet(packet);
          if (known) sealed.push([n, packet.toString("hex")]);
          else unknown += 1;
        }
      }
      bench.run();
      assert.equal(
        bench.take(PORT_PROTECTED).map((packet) => packet.toString("hex")),
        opened,
      );
      const out = bench.take(PORT_UNPROTECTED).map((packet): [number, string] => {
        const payload = packet.subarray(20);
        const n = payload.readUInt32BE(0) - SPI_OUT;
        return [n, open(Buffer.from(payload), keyOf(n, M.DIRECTION_OUTBOUND)).inner.toString("hex")];
      });
      assert.equal(out, sealed);
      assert.is(bench.drops(DROP_NO_SA_ENTRY_IPSEC_BOARD) - before[0]!, unknown);
      assert.is(bench.drops(DROP_IP_MALFORMED) - before[1]!, malformed);
    };
    for (let i = 0; i < 60; i++) batch();
    for (let n = 0; n < CHILD_SAS; n += 3) {
      for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
        const { spi, link } = sa(n, direction);
        const body = Buffer.from(Uint32Array.of(spi, direction, link).buffer);
        assert.is(bench.ask(M.MESSAGE_SA_REMOVE, body).type, M.MESSAGE_SA_REMOVED);
      }
      gone.add(n);
    }
    for (let i = 0; i < 30; i++) batch();
  });
}

test.run();
