/**
 * One connection between two gateways, written as swanctl.conf for either side. Both implementations read that syntax, so
 * one rendering serves both; ours gets a chassis section on top.
 */

import { IDENTITY, NETWORK, OUTER, other } from "./topology.ts";
import type { Side } from "./topology.ts";

export interface Connection {
  /** IKE proposals, by side where they differ. */
  ike: string | Record<Side, string>;
  /** ESP proposals, by side where they differ. */
  esp: string | Record<Side, string>;
  /** Pre-shared keys, by side where they differ. */
  psk: string | Record<Side, string>;
}

/** How our own gateway is built. */
export interface Cage {
  links: "ethernet" | "atm";
  /** IPsec boards. */
  slots: number;
}

function of(value: string | Record<Side, string>, side: Side): string {
  return typeof value === "string" ? value : value[side];
}

/** The configuration of one side. Connection `gw`, child `net`. */
export function renderConnection(connection: Connection, side: Side): string {
  const peer = other(side);
  return `connections {
  gw {
    version = 2
    local_addrs = ${OUTER[side]}
    remote_addrs = ${OUTER[peer]}
    proposals = ${of(connection.ike, side)}
    mobike = no
    rekey_time = 0
    local {
      auth = psk
      id = ${IDENTITY[side]}
    }
    remote {
      auth = psk
      id = ${IDENTITY[peer]}
    }
    children {
      net {
        local_ts = ${NETWORK[side]}
        remote_ts = ${NETWORK[peer]}
        esp_proposals = ${of(connection.esp, side)}
        mode = tunnel
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-psk {
    id-a = ${IDENTITY[side]}
    id-b = ${IDENTITY[peer]}
    secret = "${of(connection.psk, side)}"
  }
}
`;
}

/** The chassis section: the IKE board in slot 0, IPsec boards behind it. */
export function renderCage(cage: Cage): string {
  const boards = Array.from({ length: cage.slots }, (_, i) => `    ${i + 1} = ipsec`);
  return `chassis {
  links = ${cage.links}
  slots {
    0 = ike
${boards.join("\n")}
  }
}
`;
}
