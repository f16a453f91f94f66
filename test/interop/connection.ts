/**
 * One connection between two gateways, written as swanctl.conf for either side. Both implementations read that syntax, so
 * one rendering serves both; ours gets a chassis section on top.
 */

import { randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Directory } from "../pki/authority.ts";
import { IDENTITY, NETWORK, OUTER, other } from "./topology.ts";
import type { Side } from "./topology.ts";

export interface Connection {
  /** IKE proposals, by side where they differ. */
  ike: string | Record<Side, string>;
  /** ESP proposals, by side where they differ. */
  esp: string | Record<Side, string>;
  /** Pre-shared keys, by side where they differ. */
  psk?: string | Record<Side, string>;
  /** Makes IKE_AUTH long: appended to both identities, and so many subnets are asked for at each end. */
  identityTail?: string;
  subnets?: number;
  /** Octets of an IP packet with a fragment of an IKE message, at both ends. */
  fragmentSize?: number;
  /** A further address of the responder, side b. */
  secondAddress?: string;
  /** Bare private keys: each end proves its own first (RFC 7670), then the shared one (RFC 4739). */
  keys?: Record<Side, KeyObject>;
  /** Seconds after which each end rekeys; never when not given. */
  rekey?: Record<Side, { ike: number; child: number }>;
  /** A liveness check after so many seconds of silence; a peer that is gone is sought again. */
  liveness?: number;
  /** At both ends. */
  retransmission?: Retransmission;
  /** Certificates in place of the shared key. */
  certified?: Record<Side, Certified>;
  /** They are sent to a peer that does not ask for them, too. */
  sendCert?: "always";
  /** Local and remote sections that replace those with the shared key, names and passwords of EAP, and files of keys. */
  authentication?: Record<Side, string>;
  users?: Record<Side, Record<string, string>>;
  files?: Record<Side, Directory>;
  /** The gateways' own packets, in transport mode. */
  transport?: boolean;
  /** Proposals of AH, in place of ESP. */
  ah?: string;
  /** Further children of one side, as text. */
  children?: Partial<Record<Side, string>>;
  /** Addresses of the gateways, if others than OUTER. */
  outer?: Record<Side, string>;
}

/** A new shared key that is text to swanctl: not one that begins with 0x or 0s, hexadecimal or base64. */
export const freshPsk = (): string => `psk-${randomBytes(24).toString("base64url")}`;

/** How one end proves itself, and what it knows: `own` of x509 and private is its certificate. */
export interface Certified {
  directory: Directory;
  /** swanctl's words for how it signs, and for what it asks of the other end; "pubkey" when not given. */
  auth?: string;
  remoteAuth?: string;
  /** Further lines of its remote section. */
  remote?: readonly string[];
}

/** How our own gateway is built. */
export interface Cage {
  links: "ethernet" | "atm";
  /** IPsec boards. */
  slots: number;
  /** Faults may be injected. */
  faults?: boolean;
  fragmentSize?: number;
  retransmission?: Retransmission;
  /** All boards share this thread. */
  thread?: number;
  /** The NICs are read in the IKE board's thread. */
  receive?: "ike-board";
  /** The board of slot 1 is in this shelf. */
  shelf?: { place: string; keyFile: string };
}

/** Seconds until the first retransmission, and how many there are. */
export interface Retransmission {
  seconds: number;
  tries: number;
}

function of(value: string | Record<Side, string>, side: Side): string {
  return typeof value === "string" ? value : value[side];
}

/** The configuration of one side. Connection `gw`, child `net`. */
export function renderConnection(connection: Connection, side: Side): string {
  const peer = other(side);
  const { liveness, sendCert } = connection;
  const settings = [
    ...(sendCert === undefined ? [] : [`send_cert = ${sendCert}`]),
    ...(liveness === undefined ? [] : [`dpd_delay = ${liveness}s`]),
  ];
  const outer = connection.outer ?? OUTER;
  const action = liveness === undefined ? [] : ["dpd_action = restart"];
  const rekey = connection.rekey?.[side];
  const id = (of: Side): string => `${IDENTITY[of]}${connection.identityTail ?? ""}`;
  const networks = (of: Side): string =>
    connection.transport
      ? "dynamic"
      : Array.from({ length: connection.subnets ?? 1 }, (_, i) => NETWORK[of].replace(".0.0/", `.${i}.0/`)).join(", ");
  return `connections {
  gw {
    version = 2
    local_addrs = ${outer[side]}${side === "b" && connection.secondAddress ? `, ${connection.secondAddress}` : ""}
    remote_addrs = ${outer[peer]}
    proposals = ${of(connection.ike, side)}
    mobike = no
${indented("    ", [...settings, ...rekeyTime(rekey?.ike, "over_time")])}${connection.authentication?.[side] ?? authentication(connection, side, id)}    children {
      net {
        local_ts = ${networks(side)}
        remote_ts = ${networks(peer)}
        ${connection.ah === undefined ? `esp_proposals = ${of(connection.esp, side)}` : `ah_proposals = ${connection.ah}`}
        mode = ${connection.transport ? "transport" : "tunnel"}
${indented("        ", [...action, ...rekeyTime(rekey?.child, "life_time")])}      }
      ${connection.children?.[side] ?? ""}
    }
  }
}
${connection.psk === undefined ? "" : sharedKey(of(connection.psk, side), [id(side), id(peer)])}${users(connection.users?.[side])}`;
}

/** The sections with the shared key or a certificate, behind those of bare keys. */
function authentication(connection: Connection, side: Side, id: (of: Side) => string): string {
  const peer = other(side);
  const certified = connection.certified?.[side];
  return `${bareKeys(connection, "local", side)}    local {
      auth = ${certified === undefined ? "psk" : `${certified.auth ?? "pubkey"}\n      certs = own.pem`}
      id = ${id(side)}
      round = 2
    }
${bareKeys(connection, "remote", peer)}    remote {
      auth = ${certified === undefined ? "psk" : [certified.remoteAuth ?? "pubkey", ...(certified.remote ?? [])].join("\n      ")}
      id = ${id(peer)}
      round = 2
    }
`;
}

/** The end of an SA comes long after the rekey. */
const rekeyTime = (seconds: number | undefined, end: string): string[] =>
  seconds === undefined
    ? ["rekey_time = 0"]
    : [`rekey_time = ${seconds}s`, "rand_time = 0", `${end} = ${seconds + 60}s`];

const indented = (indent: string, lines: readonly string[]): string =>
  lines.map((line) => `${indent}${line}\n`).join("");

const sharedKey = (secret: string, [one, other]: readonly string[]): string => `secrets {
  ike-psk {
    id-a = ${one}
    id-b = ${other}
    secret = "${secret}"
  }
}
`;

const users = (passwords: Record<string, string> | undefined): string =>
  passwords === undefined
    ? ""
    : `secrets {\n${Object.entries(passwords)
        .map(([name, password]) => `  eap-${name} {\n    id = ${name}\n    secret = "${password}"\n  }\n`)
        .join("")}}\n`;

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
  const { shelf, thread } = cage;
  const fitted = (slot: number, board: string): string => {
    if (shelf && slot === 1) return `    1 {\n      board = ipsec\n      remote = ${shelf.place}\n    }`;
    return thread === undefined
      ? `    ${slot} = ${board}`
      : `    ${slot} {\n      board = ${board}\n      thread = ${thread}\n    }`;
  };
  const boards = Array.from({ length: cage.slots + 1 }, (_, slot) => fitted(slot, slot === 0 ? "ike" : "ipsec"));
  const { seconds, tries } = cage.retransmission ?? {};
  const repeated = seconds === undefined ? "" : `  retransmit_timeout = ${seconds}s\n  retransmit_tries = ${tries}\n`;
  const received = cage.receive === undefined ? "" : `  receive = ${cage.receive}\n`;
  return `chassis {
${shelf ? `  links = remote\n  shelf_key = ${shelf.keyFile}` : `  links = ${cage.links}`}
${cage.fragmentSize === undefined ? "" : `  fragment_size = ${cage.fragmentSize}\n`}${repeated}${received}${cage.faults ? "  faults = yes\n" : ""}  slots {
${boards.join("\n")}
  }
}
`;
}
