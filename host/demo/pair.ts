/**
 * Two gateways on a cable: moon and sun, each with two networks behind it, everything in memory.
 *
 *   10.1.1.0/24 --+                                        +-- 10.2.1.0/24
 *   10.1.2.0/24 --+-- moon 192.0.2.1 ==cable== 192.0.2.2 sun --+-- 10.2.2.0/24
 *
 * With `inside` both, a network has IPv6 as well, fd00:1:1::/64 and so on; with `outside` ipv6 the cable is 2001:db8:ff::/64.
 *
 * Both are configured as any gateway is, by text in swanctl.conf's syntax. What the protected sides receive is kept.
 */
import type { LinkKind } from "../chassis/backplane.ts";
import type { Chassis, ChassisOptions, SlotPlan } from "../chassis/chassis.ts";
import type { Drive } from "../chassis/drive/drive.ts";
import { Lockstep } from "../chassis/drive/lockstep.ts";
import { Threaded } from "../chassis/drive/threaded.ts";
import { Cable, type CableOptions } from "../nic/cable.ts";
import { loadConfigurationText, renderError } from "../operator/configuration/configuration.ts";
import { Gateway, type GatewayEvent } from "../operator/gateway.ts";
import type { Resolve } from "../operator/name_lookup.ts";

export type SiteName = "moon" | "sun";

export interface PairOptions {
  /** Default lockstep. */
  drive?: "lockstep" | "threaded" | Drive;
  links?: Record<SiteName, LinkKind>;
  /** IPsec boards in each chassis. Default 2. */
  boards?: number;
  /** What the slots section has besides the IKE board, as text, in place of that. */
  slots?: string | Record<SiteName, string>;
  /** Slots of a site whose boards are in shelves. */
  shelves?: Partial<Record<SiteName, ReadonlyMap<number, NonNullable<SlotPlan["shelf"]>>>>;
  /** The chassis's placement. */
  placement?: Partial<Record<SiteName, string>>;
  cable?: CableOptions;
  /** Text that replaces or joins a site's defaults, per site: settings of the connection and of each child. */
  connection?: Partial<Record<SiteName, string>>;
  child?: Partial<Record<SiteName, string>>;
  /** For both sites, or each its own. */
  proposals?: string | Record<SiteName, string>;
  esp?: string | Record<SiteName, string>;
  /** Local and remote sections that replace those with the shared key. */
  authentication?: Partial<Record<SiteName, string>>;
  /** Where a site's directories of keys and certificates are. */
  directory?: Partial<Record<SiteName, string>>;
  secret?: Partial<Record<SiteName, string>>;
  /** Further sections of secrets. */
  secrets?: Partial<Record<SiteName, string>>;
  /** Further connections, as text. */
  connections?: Partial<Record<SiteName, string>>;
  /** Further sections at top level, such as pools. */
  sections?: Partial<Record<SiteName, string>>;
  /** Local and remote selectors of every child, by site, in place of its networks. */
  selectors?: Partial<Record<SiteName, string>>;
  /** What the cable carries. Default ipv4. */
  outside?: "ipv4" | "ipv6";
  /** What the networks behind speak. Default ipv4. */
  inside?: "ipv4" | "both";
  /** Children, by the third octet of their networks. Default 1 and 2. */
  nets?: readonly number[] | Record<SiteName, readonly number[]>;
  chassis?: Partial<ChassisOptions>;
  /** The same of one site alone. */
  site?: Partial<Record<SiteName, Partial<ChassisOptions>>>;
  /** Sites whose boards boot from flash. */
  firmware?: Partial<Record<SiteName, ChassisOptions["firmware"]>>;
  /** The peer's address or name, as a site's configuration has it. */
  peer?: Partial<Record<SiteName, string>>;
  /** Looks names of peers up. */
  resolve?: Resolve;
}

export interface Site {
  name: SiteName;
  gateway: Gateway;
  chassis: Chassis;
  /** Clear packets that came out of the protected side, with the slot that sent each. */
  received: { packet: Uint8Array; slot: number }[];
  events: GatewayEvent[];
  /** A host behind the gateway sends a clear packet. */
  send(packet: Uint8Array): boolean;
}

const ADDRESS: Record<"ipv4" | "ipv6", Record<SiteName, string>> = {
  ipv4: { moon: "192.0.2.1", sun: "192.0.2.2" },
  ipv6: { moon: "2001:db8:ff::1", sun: "2001:db8:ff::2" },
};
const NET: Record<SiteName, number> = { moon: 1, sun: 2 };

/** Children of one connection at most: their configuration travels to the board in one message. */
const CHILDREN_MAX = 40;

/** A site's own of an option that may differ per site. */
function ownOf<T extends string | readonly number[]>(
  name: SiteName,
  value: T | Record<SiteName, T> | undefined,
  standard: T,
): T {
  if (value === undefined) return standard;
  return typeof value === "object" && "moon" in value ? value[name] : (value as T);
}

/** A site's configuration, as an operator would write it. */
export function siteConfiguration(name: SiteName, options: PairOptions): string {
  const nets = ownOf<readonly number[]>(name, options.nets, [1, 2]);
  const count = Math.ceil(nets.length / CHILDREN_MAX);
  const connections = Array.from({ length: count }, (_, i) =>
    connectionText(name, i === 0 ? "" : `-${i + 1}`, nets.slice(i * CHILDREN_MAX, (i + 1) * CHILDREN_MAX), options),
  );
  const identities = Array.from({ length: count }, (_, i) => {
    const suffix = i === 0 ? "" : `-${i + 1}`;
    return `id-moon${suffix} = moon${suffix}.example\n    id-sun${suffix} = sun${suffix}.example`;
  });
  const standard = Array.from({ length: options.boards ?? 2 }, (_, i) => `${i + 1} = ipsec`).join("\n    ");
  const slots = ownOf(name, options.slots, standard);
  return `connections {${connections.join("")}
  ${options.connections?.[name] ?? ""}
}
secrets {
  ike-pair {
    ${identities.join("\n    ")}
    secret = "${options.secret?.[name] ?? "a shared secret of moon and sun"}"
  }
  ${options.secrets?.[name] ?? ""}
}
${options.sections?.[name] ?? ""}
chassis {
  name = ${name}
  ${linkText(options.links?.[name] ?? (name === "moon" ? "ethernet" : "atm"))}
  ${options.placement?.[name] === undefined ? "" : `placement = ${options.placement[name]}`}
  slots {
    0 = ike
    ${slots}
  }
}
`;
}

/** A backplane as a configuration names it. */
const linkText = (link: LinkKind): string =>
  link === "atm-cell" ? "links = atm\n  atm_mode = cell" : `links = ${link}`;

function connectionText(name: SiteName, suffix: string, nets: readonly number[], options: PairOptions): string {
  const peer = name === "moon" ? "sun" : "moon";
  const address = ADDRESS[options.outside ?? "ipv4"];
  const network = (site: SiteName, net: number): string =>
    `10.${NET[site]}.${net}.0/24${options.inside === "both" ? `, fd00:${NET[site]}:${net}::/64` : ""}`;
  const children = nets.map(
    (net) => `
      net-${net} {
        ${options.selectors?.[name] ?? `local_ts = ${network(name, net)}\n        remote_ts = ${network(peer, net)}`}
        esp_proposals = ${ownOf(name, options.esp, "aes256gcm16")}
        ${options.child?.[name] ?? ""}
      }`,
  );
  return `
  ${name}-${peer}${suffix} {
    local_addrs = ${address[name]}
    remote_addrs = ${options.peer?.[name] ?? address[peer]}
    proposals = ${ownOf(name, options.proposals, "aes256gcm16-prfsha384-x25519")}
    ${options.connection?.[name] ?? ""}
    ${options.authentication?.[name] ?? sharedKey(`${name}${suffix}`, `${peer}${suffix}`)}
    children {${children.join("")}
    }
  }`;
}

const sharedKey = (name: string, peer: string): string => `local {
      auth = psk
      id = ${name}.example
    }
    remote {
      auth = psk
      id = ${peer}.example
    }`;

export class Pair {
  readonly drive: Drive;
  readonly wan: Cable;
  readonly moon: Site;
  readonly sun: Site;

  constructor(options: PairOptions = {}) {
    const { drive = "lockstep" } = options;
    this.drive = drive === "threaded" ? new Threaded() : drive === "lockstep" ? new Lockstep() : drive;
    this.wan = new Cable(this.drive, { latencyMs: 5, ...options.cable });
    this.moon = this.#site("moon", options);
    this.sun = this.#site("sun", options);
    this.moon.gateway.attach(this.wan.a);
    this.sun.gateway.attach(this.wan.b);
  }

  /** Powers both chassis on. */
  async start(): Promise<void> {
    await this.moon.gateway.start();
    await this.sun.gateway.start();
  }

  /** moon initiates all children; true when both ends have them installed within `milliseconds`. */
  async establish(milliseconds = 30_000, children = 2): Promise<boolean> {
    for (const { name, children } of await this.moon.gateway.connections())
      if (children.length > 0) await this.moon.gateway.initiate(name);
    return this.drive.until(
      () => this.installed(this.moon) >= children && this.installed(this.sun) >= children,
      milliseconds,
    );
  }

  /** CHILD_SAs that came up at a site and have not gone down since, by its events. */
  installed(site: Site): number {
    let up = 0;
    for (const event of site.events) {
      if (event.kind === "child-updown" && "up" in event) up += event.up ? 1 : -1;
    }
    return up;
  }

  /** Powers off without telling the peer. */
  async close(): Promise<void> {
    await this.moon.gateway.close();
    await this.sun.gateway.close();
    await this.drive.close();
  }

  #site(name: SiteName, options: PairOptions): Site {
    const text = siteConfiguration(name, options);
    const loaded = loadConfigurationText(text, `${name}.conf`, options.directory?.[name]);
    if ("errors" in loaded) throw new Error(loaded.errors.map(renderError).join("\n"));
    const { chassis, connections, pools, secrets, credentials, localAddresses } = loaded.configuration;
    const gateway = new Gateway({
      name,
      drive: this.drive,
      link: chassis.link,
      slots: chassis.slots.map((plan) => {
        const shelf = options.shelves?.[name]?.get(plan.slot);
        return shelf ? { ...plan, shelf } : plan;
      }),
      ikeSlot: chassis.ikeSlot,
      localAddresses,
      ...(chassis.keepAlive === undefined ? {} : { keepAlive: chassis.keepAlive }),
      ...(chassis.placement === undefined ? {} : { placement: chassis.placement }),
      connections,
      pools,
      secrets,
      credentials,
      ...(options.resolve ? { resolve: options.resolve } : {}),
      ...(options.firmware?.[name] ? { firmware: options.firmware[name] } : {}),
      ...options.chassis,
      ...options.site?.[name],
    });
    const site: Site = {
      name,
      gateway,
      chassis: gateway.chassis,
      received: [],
      events: [],
      send: (packet) => gateway.chassis.receive("protected", packet),
    };
    gateway.chassis.onTransmit("protected", (packet, slot) => site.received.push({ packet: packet.slice(), slot }));
    gateway.onEvent((event) => site.events.push(event));
    return site;
  }
}
