/**
 * Where packets go that policy lets by in clear (BYPASS): out on the path that they would have without this gateway. A route into the TUN
 * device has brought them here and would bring them back; so their socket carries a mark, by which the kernel looks in a table that has
 * all the routes of the main one but those.
 *
 *   4498   fwmark 4501 lookup 4501
 *
 * The table ends in `unreachable`: what has no path without the tunnel goes nowhere. It is made anew when addresses of this machine come
 * and go; routes that change without that are not noticed.
 */

import { ip } from "./iproute2.ts";

/** Mark of the sockets that send in clear (SO_MARK). */
export const BYPASS_MARK = 4501;
const TABLE = "4501";
const PREFERENCE = "4498";
/** Of the route that ends the table: behind every other. */
const LAST_METRIC = "4294967295";

/** What `ip route show` says of a route's state, which is no part of the route. */
const STATE = new Set(["linkdown", "dead", "pervasive", "offload", "trap", "rt_offload", "rt_trap"]);

/** The words of each route that `ip route show` tells of, without those into `device`; a route with several hops is one. */
export function routesBeside(text: string, device: string): string[][] {
  const routes: string[][] = [];
  for (const line of text.split("\n")) {
    const words = line
      .trim()
      .split(/\s+/)
      .filter((word) => word !== "" && !STATE.has(word));
    const expires = words.indexOf("expires");
    if (expires >= 0) words.splice(expires, 2);
    if (words.length === 0) continue;
    if (/^\s/.test(line)) routes.at(-1)?.push(...words);
    else routes.push(words);
  }
  return routes.filter((words) => !words.some((word, i) => word === "dev" && words[i + 1] === device));
}

export class BypassRoutes {
  constructor(private readonly device: string) {}

  /** Puts table and rule in place, in place of those of a gateway that was killed. */
  async replace(): Promise<void> {
    for (const family of ["-4", "-6"] as const) {
      // A machine without IPv6 has no such tables.
      const main = await ip(family, "route", "show", "table", "main").catch(() => undefined);
      if (main === undefined) continue;
      await ip(family, "route", "flush", "table", TABLE).catch(() => undefined);
      await ip(family, "route", "add", "unreachable", "default", "metric", LAST_METRIC, "table", TABLE).catch(
        () => undefined,
      );
      for (const words of routesBeside(main, this.device)) {
        await ip(family, "route", "replace", ...words, "table", TABLE).catch(() => undefined);
      }
      await ip(family, "rule", "del", "pref", PREFERENCE).catch(() => undefined);
      await ip(family, "rule", "add", "pref", PREFERENCE, "fwmark", String(BYPASS_MARK), "lookup", TABLE).catch(
        () => undefined,
      );
    }
  }

  async remove(): Promise<void> {
    for (const family of ["-4", "-6"] as const) {
      await ip(family, "rule", "del", "pref", PREFERENCE).catch(() => undefined);
      await ip(family, "route", "flush", "table", TABLE).catch(() => undefined);
    }
  }
}
