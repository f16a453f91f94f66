/**
 * One connection between two gateways, written as swanctl.conf for either side. Both implementations read that syntax, so
 * one rendering serves both; ours gets a chassis section on top.
 */

import type { KeyObject } from "node:crypto";
import { IDENTITY, NETWORK, OUTER, other } from "./topology.ts";
import type { Side } from "./topology.ts";

export interface Connection {
  /** IKE proposals, by side where they differ. */
  ike: string | Record<Side, string>;
  /** ESP proposals, by side where they differ. */
  esp: string | Record<Side, string>;
  /** Pre-shared keys, by side where they differ. */
  psk: string | Record<Side, string>;
  /** Makes IKE_AUTH long: appended to both identities, and so many subnets are asked for at each end. */
  identityTail?: string;
  subnets?: number;
  /** Octets of an IP packet with a fragment of an IKE message, at both ends. */
  fragmentSize?: number;
  /** Bare private keys: each end proves its own first (RFC 7670), then the shared one (RFC 4739). */
  keys?: Record<Side, KeyObject>;
}

/** How our own gateway is built. */
export interface Cage {
  links: "ethernet" | "atm";
  /** IPsec boards. */
  slots: number;
  fragmentSize?: number;
}

function of(value: string | Record<Side, string>, side: Side): string {
  return typeof value === "string" ? value : value[side];
}

/** The configuration of one side. Connection `gw`, child `net`. */
export function renderConnection(connection: Connection, side: Side): string {
  const peer = other(side);
  const id = (of: Side): string => `${IDENTITY[of]}${connection.identityTail ?? ""}`;
  const networks = (of: Side): string =>
    Array.from({ length: connection.subnets ?? 1 }, (_, i) => NETWORK[of].replace(".0.0/", `.${i}.0/`)).join(", ");
  return `connections {
  gw {
    version = 2
    local_addrs = ${OUTER[side]}
    remote_addrs = ${OUTER[peer]}
    proposals = ${of(connection.ike, side)}
    mobike = no
    rekey_time = 0
${bareKeys(connection, "local", side)}    local {
      auth = psk
      id = ${id(side)}
      round = 2
    }
${bareKeys(connection, "remote", peer)}    remote {
      auth = psk
      id = ${id(peer)}
      round = 2
    }
    children {
      net {
        local_ts = ${networks(side)}
        remote_ts = ${networks(peer)}
        esp_proposals = ${of(connection.esp, side)}
        mode = tunnel
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-psk {
    id-a = ${id(side)}
    id-b = ${id(peer)}
    secret = "${of(connection.psk, side)}"
  }
}
`;
}

/** The round of bare keys of one end. */
const bareKeys = ({ keys }: Connection, section: string, owner: Side): string =>
  keys === undefined
    ? ""
    : `    ${section}-keys {
      auth = pubkey
      pubkeys = ${owner}.pem
      id = key.${IDENTITY[owner]}
      round = 1
    }
`;

/** The chassis section: the IKE board in slot 0, IPsec boards behind it. */
export function renderCage(cage: Cage): string {
  const boards = Array.from({ length: cage.slots }, (_, i) => `    ${i + 1} = ipsec`);
  return `chassis {
  links = ${cage.links}
${cage.fragmentSize === undefined ? "" : `  fragment_size = ${cage.fragmentSize}\n`}  slots {
    0 = ike
${boards.join("\n")}
  }
}
`;
}
