/**
 * The bench's tables: a line per row, then the goals.
 */
import type { Row } from "./bench.ts";
import { bestPeer, goalOf } from "./goals.ts";
import { NATIVE_PEER } from "./peers.ts";

export function heading(): string {
  return `${key("transform", "op", "bytes", "build", "batch")}      MB/s  node:crypto   ratio  best JS/WASM  ratio  by`;
}

export function line(row: Row): string {
  const native = row.peers[NATIVE_PEER];
  const best = bestPeer(row);
  return [
    key(row.transform, row.op, String(row.bytes), row.build, String(row.batch)),
    row.mbps.toFixed(1).padStart(9),
    (native?.mbps.toFixed(1) ?? "-").padStart(12),
    (native?.ratio.toFixed(2) ?? "-").padStart(7),
    (best === undefined ? "-" : row.peers[best.name]!.mbps.toFixed(1)).padStart(13),
    (best?.ratio.toFixed(2) ?? "-").padStart(6),
    ` ${best?.name ?? "none has it"}`,
  ].join(" ");
}

function key(transform: string, op: string, bytes: string, build: string, batch: string): string {
  return `${transform.padEnd(30)} ${op.padEnd(5)} ${bytes.padStart(5)}  ${build.padEnd(8)} ${batch.padStart(5)}`;
}

/** Goals against what was reached, for those rows that have one. */
export function goalTable(rows: readonly Row[]): string[] {
  const lines: string[] = [];
  for (const row of rows) {
    const goal = goalOf(row);
    if (goal === undefined) continue;
    const at = key(row.transform, row.op, String(row.bytes), row.build, String(row.batch));
    const against = (what: string, wanted: number, reached: number | undefined): string => {
      const verdict = reached === undefined ? "not measured" : reached >= wanted ? "met" : "not met";
      return `${what} ${wanted.toFixed(2).padStart(5)} ${(reached?.toFixed(2) ?? "-").padStart(6)} ${verdict.padEnd(8)}`;
    };
    const best = bestPeer(row);
    lines.push(
      `${at}  ${against("node:crypto", goal.native, row.peers[NATIVE_PEER]?.ratio)}  ${against("best JS/WASM", goal.best, best?.ratio)}`.trimEnd(),
    );
  }
  if (lines.length === 0) return [];
  return ["", "Goals (ratio wanted, reached):", ...lines];
}
