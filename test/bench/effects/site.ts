/** The gateways of these benches: moon, which is measured, sun beside it, and initiators on the same cable. */
import assert from "node:assert/strict";
import type { LinkKind } from "../../../host/chassis/backplane.ts";
import type { ChassisOptions } from "../../../host/chassis/chassis.ts";
import { Pair } from "../../../host/demo/pair.ts";
import { CONVENTIONAL } from "./conventional.ts";
import { Cores, type Model } from "./cores.ts";
import { Storm, STORM_SECRET, stormConnection } from "./storm.ts";

export interface SitePlan {
  /** IPsec boards, or one board for all. */
  boards: number | "conventional";
  link: LinkKind;
  esp: string;
  cutThrough?: boolean;
  /** The storm's CHILD_SAs come to the last board, and no others do. */
  apart?: boolean;
  model?: Model;
}

/** Enough for a storm of seconds. */
const CAPACITY: Partial<ChassisOptions> = { childSaCapacity: 8192, saCapacity: 8192, ikeSaCapacity: 8192 };
/** Retransmission of an initiator whose packet found no room, ns. */
const AGAIN = 10_000_000n;

export interface Sites {
  pair: Pair;
  drive: Cores;
  storm: Storm;
  nets: number;
}

/** Powers both, and negotiates a CHILD_SA for each IPsec board. From then on moon's work takes time. */
export async function makeSites(plan: SitePlan): Promise<Sites> {
  const { boards, link, esp, cutThrough = false, apart = false, model } = plan;
  const drive = new Cores(model);
  const fitted = boards === "conventional" ? 1 : boards;
  const nets = apart ? fitted - 1 : fitted;
  const pair = new Pair({
    drive,
    boards: fitted,
    esp,
    links: { moon: link, sun: "atm" },
    slots: {
      moon: Array.from({ length: fitted }, (_, i) => `${i + 1} = ipsec`).join("\n    "),
      sun: "1 = ipsec",
    },
    nets: Array.from({ length: nets }, (_, i) => i + 1),
    connections: { moon: stormConnection(apart ? fitted : undefined) },
    secrets: { moon: STORM_SECRET },
    cable: { latencyMs: 0 },
    chassis: { conservation: false, ...CAPACITY },
    site: { moon: boards === "conventional" ? CONVENTIONAL : { cutThrough } },
  });
  const storm = new Storm(
    (packet) => pair.moon.chassis.receive("unprotected", packet),
    (callback) => void drive.after(AGAIN, callback),
  );
  pair.wan.filter = (packet, from) => (from === "a" ? !storm.take(packet) : true);
  await pair.start();
  for (const { name } of await pair.moon.gateway.connections())
    if (name.startsWith("moon-")) await pair.moon.gateway.initiate(name);
  const up = (): boolean => pair.installed(pair.moon) >= nets && pair.installed(pair.sun) >= nets;
  assert.ok(await drive.until(up, 60_000), "CHILD_SAs");
  await drive.run(1000);
  drive.counting = true;
  return { pair, drive, storm, nets };
}
