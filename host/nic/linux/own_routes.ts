/**
 * Where this machine's own packets to the outer address of a peer go when they are to be protected (transport mode, or a tunnel from
 * host to host): into the TUN device; but for what the gateway itself sends there, IKE, ESP and AH, whose sockets carry a mark.
 *
 *   4499   fwmark 4500 goto 4501
 *   4500   iif lo lookup 4500      the table that is filled here: a route into the device for each of these peers
 *   4501   nop
 *
 * `iif lo` is what this machine sends itself: packets that pass through it keep their path. With strict reverse path filtering
 * (net.ipv4.conf.*.rp_filter = 1) the kernel takes the peer's outer packets for strays, because their way back is another: loose
 * filtering (2) does not.
 */

import { familyOf, ip } from "./iproute2.ts";

/** Mark of the gateway's own sockets (SO_MARK). */
export const OWN_MARK = 4500;
const TABLE = "4500";

/** Preference and words of each rule; what is gone to stands before what goes there. */
const RULES = [
  ["4501", "nop"],
  ["4499", "fwmark", String(OWN_MARK), "goto", "4501"],
  ["4500", "iif", "lo", "lookup", TABLE],
] as const;

export interface OwnRoute {
  /** The peer alone: "192.0.2.2/32". */
  destination: string;
  /** Address that our packets get as source; without it the one that they would have had. */
  source?: string;
}

export class OwnRoutes {
  private readonly present = new Map<string, OwnRoute>();
  private readonly families = new Set<"-4" | "-6">();

  constructor(private readonly device: string) {}

  /** Makes `routes` the routes of our own packets into the device. */
  async replace(routes: readonly OwnRoute[]): Promise<void> {
    const wanted = new Set(routes.map(({ destination }) => destination));
    for (const destination of this.present.keys()) {
      if (wanted.has(destination)) continue;
      await ip(familyOf(destination), "route", "del", destination, "dev", this.device, "table", TABLE);
      this.present.delete(destination);
    }
    for (const route of routes) {
      await this.put(route);
      this.present.set(route.destination, route);
      await this.rules(familyOf(route.destination));
    }
  }

  /** The addresses of this machine have changed, and with one that is gone the kernel takes away the routes that name it. */
  async refresh(): Promise<void> {
    for (const route of this.present.values()) {
      // A configured source may be gone: until it is back, our packets have the one that leads to the peer now.
      await this.put(route).catch(() => this.put({ destination: route.destination }).catch(() => undefined));
    }
  }

  private async put({ destination, source }: OwnRoute): Promise<void> {
    const from = source ?? (await this.sourceTo(destination));
    const words = ["dev", this.device, "table", TABLE, ...(from === undefined ? [] : ["src", from])];
    await ip(familyOf(destination), "route", "replace", destination, ...words);
  }

  /** Takes the rules away; the routes go with the device. */
  async remove(): Promise<void> {
    for (const family of this.families) {
      for (const [preference] of RULES) await ip(family, "rule", "del", "pref", preference).catch(() => undefined);
    }
    this.families.clear();
  }

  /** Puts the rules in place; those that a gateway left behind which was killed are taken over. */
  private async rules(family: "-4" | "-6"): Promise<void> {
    if (this.families.has(family)) return;
    this.families.add(family);
    for (const [preference, ...words] of RULES) {
      await ip(family, "rule", "del", "pref", preference).catch(() => undefined);
      await ip(family, "rule", "add", "pref", preference, ...words);
    }
  }

  /** The source address that the gateway's own packets to a peer have. */
  private async sourceTo(destination: string): Promise<string | undefined> {
    const peer = destination.slice(0, destination.indexOf("/"));
    const answer = await ip("-json", "route", "get", peer, "mark", String(OWN_MARK)).catch(() => undefined);
    return answer === undefined ? undefined : (JSON.parse(answer) as { prefsrc?: string }[])[0]?.prefsrc;
  }
}
