/**
 * The demo for teaching: the two gateways of the demo with a front panel in which both are seen. Hosts behind them talk all the time, so that
 * an SA is seen at work; SAs are negotiated and deleted, boards pulled and put back, faults injected from the page.
 *
 * Time is virtual and goes as fast as is wished (drive/paced.ts). Who has the address with its token is the operator; it is another one
 * every time.
 */
import { randomBytes } from "node:crypto";
import { Paced } from "../chassis/drive/paced.ts";
import { Commands } from "../operator/commands.ts";
import { PanelServer } from "../operator/panel_server.ts";
import { udpPacket } from "./packets.ts";
import { Pair, type PairOptions } from "./pair.ts";

/** Virtual milliseconds from one packet of a network to its next. */
const GAP_MS = 25;
/** Of the cable, one way: what a class has to see a message in. */
const LATENCY_MS = 40;
const NETS = [1, 2];
const OCTETS = 600;

export interface PanelDemoOptions {
  /** Virtual seconds in a second. */
  speed: number;
  /** 0: any that is free. */
  port: number;
  /** Nothing is negotiated until somebody asks for it. */
  wait: boolean;
  pair?: PairOptions;
}

export interface PanelDemo {
  pair: Pair;
  panel: PanelServer;
  token: string;
  /** With the token. */
  url: string;
  close(): Promise<void>;
}

/** Starts both gateways, their hosts and the panel. */
export async function startPanelDemo({ speed, port, wait, pair: options }: PanelDemoOptions): Promise<PanelDemo> {
  const pair = new Pair({
    drive: new Paced(speed),
    links: { moon: "ethernet", sun: "atm" },
    cable: { latencyMs: LATENCY_MS },
    ...options,
    chassis: { faults: true, rebalance: true, ...options?.chassis },
  });
  const sites = [pair.moon, pair.sun];
  const token = randomBytes(24).toString("base64url");
  let panel: PanelServer | undefined;
  try {
    await pair.start();
    const chassis = sites.map(({ gateway }) => new Commands(gateway));
    panel = await PanelServer.listen(chassis, { host: "127.0.0.1", port, token, actions: true, hosts: [] });
    const quiet = talk(pair);
    // The outcome is seen on the page, and with it whatever goes wrong.
    if (!wait) await pair.moon.gateway.initiate("moon-sun");
    const served = panel;
    return {
      pair,
      panel: served,
      token,
      url: `${served.url}#token=${token}`,
      close: async () => {
        quiet();
        await served.close();
        await pair.close();
      },
    };
  } catch (error) {
    await panel?.close();
    await pair.close();
    throw error;
  }
}

/** Hosts of both sites send as soon as there are SAs for it, and nothing of it is kept. Returns what ends it. */
function talk(pair: Pair): () => void {
  let number = 0;
  let cancel: () => void = () => undefined;
  const next = (): void => {
    number = (number + 1) % 60_000;
    for (const [site, from, to] of [
      [pair.moon, 1, 2],
      [pair.sun, 2, 1],
    ] as const) {
      site.received.length = 0;
      if (pair.installed(site) >= NETS.length)
        for (const net of NETS) site.send(udpPacket(`10.${from}.${net}.5`, `10.${to}.${net}.7`, number, OCTETS));
    }
    cancel = pair.drive.after(BigInt(GAP_MS) * 1_000_000n, next);
  };
  next();
  return () => cancel();
}
