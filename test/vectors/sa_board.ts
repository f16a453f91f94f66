/** An IPsec board with one inbound SA: what becomes of packets that are given to it. */
import { CONFIG_LOCAL_ADDRESS } from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import { LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED } from "../../assembly/abi/ring.ts";
import { buildAll } from "../../host/build/build.ts";
import type { Build } from "../../host/chassis/image.ts";
import { Bench, give, saRecord, selector, selector6 } from "../host/ipsec_bench.ts";

const BUILDS: readonly Build[] = ["simd", "base"];

let built: Promise<unknown> | undefined;

export interface BoardSa {
  /** 50 ESP, 51 AH. */
  protocol: number;
  transport: boolean;
  spi: number;
  encryption: number;
  keyBits: number;
  integrity: number;
  keymat: Buffer;
  udp?: boolean;
  /** RFC 4304: the number before the first packet's. */
  extended?: bigint;
  window?: number;
}

/** What became of a packet: what the board sent on, or for which reason it dropped it; "consumed" when for none. */
export type Fate = Buffer | string;

const NAMES: Record<number, string> = {
  [DROP.DROP_ICV]: "auth",
  [DROP.DROP_REPLAY]: "antireplay",
  [DROP.DROP_NO_SA_ENTRY_IPSEC_BOARD]: "no SA",
};
const COUNTERS = Array.from({ length: DROP.DROP_COUNT }, (_, i) => i);
export const CONSUMED = "consumed";

const source = (ip: Buffer): Buffer => (ip[0]! >> 4 === 6 ? ip.subarray(8, 24) : ip.subarray(12, 16));
const destination = (ip: Buffer): Buffer => (ip[0]! >> 4 === 6 ? ip.subarray(24, 40) : ip.subarray(16, 20));

/** Only this address of transport mode; every address of a tunnel. */
function selectorOf(address: Buffer, transport: boolean, family: number): Buffer {
  if (family === 4) {
    const only = address.length === 4 ? address.readUInt32BE() : 0;
    return transport ? selector(only, only) : selector(0, 0xffffffff);
  }
  return transport ? selector6(address, address) : selector6(Buffer.alloc(16), Buffer.alloc(16, 0xff));
}

function board(build: Build, sa: BoardSa, packet: Buffer, innerFamily: number): Bench {
  const [local, remote] = [destination(packet), source(packet)];
  const bench = new Bench(build, LINK_ATM, [{ type: CONFIG_LOCAL_ADDRESS, value: local }]);
  const record = saRecord({
    protocol: sa.protocol,
    mode: sa.transport ? M.MODE_TRANSPORT : M.MODE_TUNNEL,
    spi: sa.spi,
    encryption: sa.encryption,
    keyBits: sa.keyBits,
    integrity: sa.integrity,
    key: sa.keymat,
    window: sa.window ?? 64,
    sequence: sa.extended ?? 0n,
    flags: (sa.udp ? M.SA_FLAG_UDP_ENCAPSULATION : 0) | (sa.extended === undefined ? 0 : M.SA_FLAG_ESN),
  }).subarray(0, M.SA_SELECTORS);
  record[M.SA_FAMILY] = packet[0]! >> 4;
  local.copy(record, M.SA_LOCAL_ADDRESS);
  remote.copy(record, M.SA_REMOTE_ADDRESS);
  const family = sa.transport ? packet[0]! >> 4 : innerFamily;
  const selectors = [local, remote].map((address) => selectorOf(address, sa.transport, family));
  const { type, fields } = bench.ask(M.MESSAGE_SA_INSTALL, Buffer.concat([record, ...selectors]));
  if (type !== M.MESSAGE_SA_INSTALLED) throw new Error(`the board refuses the SA: ${fields.join(" ")}`);
  return bench;
}

/**
 * Gives packets of one SA to a board of each build, which have to agree. `innerFamily` is what a tunnel carries. Throws when the board does
 * not take the SA.
 */
export async function fates(sa: BoardSa, packets: readonly Buffer[], innerFamily: number): Promise<Fate[]> {
  await (built ??= buildAll({ boards: ["ipsec"], builds: BUILDS }));
  const all = BUILDS.map((build) => {
    const bench = board(build, sa, packets[0]!, innerFamily);
    return packets.map((packet): Fate => {
      const before = COUNTERS.map((counter) => bench.drops(counter));
      const [sent] = give(bench, packet, PORT_PROTECTED);
      if (sent !== undefined) return sent;
      const reason = COUNTERS.find((counter) => bench.drops(counter) > before[counter]!);
      return reason === undefined ? CONSUMED : (NAMES[reason] ?? `drop reason ${reason}`);
    });
  });
  const [simd, base] = all;
  for (const [i, fate] of simd!.entries())
    if (String(fate) !== String(base![i])) throw new Error(`packet ${i}: the builds do not agree`);
  return simd!;
}
