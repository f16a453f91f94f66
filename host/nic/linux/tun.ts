/**
 * The TUN device of the protected side: whole IP packets, no link-layer header (IFF_TUN, IFF_NO_PI), and the routes that
 * lead the networks of the remote traffic selectors into it. Device and routes vanish when the descriptor is closed.
 *
 * A destination whose route would swallow a peer's outer address needs that peer kept on its present path: `keep`. Those
 * host routes do not hang on the device, so they are taken away by removeRoutes(). A destination that is a peer's outer address
 * itself is a route of our own packets' alone (own_routes.ts).
 *
 * Configuration goes through iproute2's `ip`. The device makes no link-local address of its own, or the kernel would
 * send router solicitations into it.
 */

import { writeFileSync } from "node:fs";
import * as libc from "./libc.ts";
import { familyOf, ip } from "./iproute2.ts";
import { OwnRoutes } from "./own_routes.ts";
import { NicError } from "./sockets.ts";

/** struct ifreq: name, then the union that holds the flags. */
const IFREQ = 40;
const IFREQ_FLAGS = 16;
const NAME_OCTETS = 15;

export interface TunOptions {
  /** Name of the device; "%d" in it is replaced by the kernel with a free number. */
  name: string;
  /** Octets of the largest inner packet. */
  mtu: number;
  /** False: no segmentation offload, one packet a call. Default: what the kernel has. */
  offload?: boolean;
}

export interface ProtectedRoute {
  /** Network behind the peer: "10.2.0.0/16". */
  destination: string;
  /** Address that the gateway's own packets to this network get as source. */
  source?: string;
}

export interface TunDevice {
  fd: number;
  name: string;
  mtu: number;
  /** Packets have a header of the device in front, and may be superframes (tun_arrival.ts, tun_departure.ts). */
  offload: boolean;
}

/**
 * Attaches the descriptor to the device of `request`, with segmentation offload if it is wanted and the kernel has it: whether it has.
 * Undefined when it fails.
 */
function attach(fd: number, request: Uint8Array, wanted: boolean): boolean | undefined {
  const flags = new DataView(request.buffer);
  const plain = libc.IFF_TUN | libc.IFF_NO_PI;
  if (wanted) {
    flags.setUint16(IFREQ_FLAGS, plain | libc.IFF_VNET_HDR, true);
    if (libc.ioctl(fd, libc.TUNSETIFF, request) === 0) {
      // Without it packets come as they would otherwise, behind the header all the same.
      libc.ioctlNumber(fd, libc.TUNSETOFFLOAD, libc.TUN_F_CSUM | libc.TUN_F_TSO4 | libc.TUN_F_TSO6);
      return true;
    }
    if (libc.errno() !== libc.EINVAL) return undefined;
  }
  flags.setUint16(IFREQ_FLAGS, plain, true);
  return libc.ioctl(fd, libc.TUNSETIFF, request) === 0 ? false : undefined;
}

/** Creates the device, sets its MTU and brings it up. Throws NicError that says what is missing. */
export async function openTun(options: TunOptions): Promise<TunDevice> {
  const wanted = new TextEncoder().encode(options.name);
  if (wanted.length === 0 || wanted.length > NAME_OCTETS || /[\s/]/.test(options.name)) {
    throw new RangeError(`"${options.name}" is not a name for a network device (1 to ${NAME_OCTETS} octets)`);
  }
  if (!Number.isInteger(options.mtu) || options.mtu < 576 || options.mtu > 65535) {
    throw new RangeError(`TUN MTU ${options.mtu} is not between 576 and 65535`);
  }
  const fd = libc.open("/dev/net/tun", libc.O_RDWR | libc.O_NONBLOCK | libc.O_CLOEXEC);
  if (fd < 0) {
    const errno = libc.errno();
    if (errno === libc.ENOENT) throw new NicError("/dev/net/tun does not exist: load the tun module", errno);
    throw new NicError(`/dev/net/tun cannot be opened: errno ${errno}`, errno);
  }
  const request = new Uint8Array(IFREQ);
  request.set(wanted);
  const offload = attach(fd, request, options.offload ?? true);
  if (offload === undefined) {
    const errno = libc.errno();
    libc.close(fd);
    if (errno === libc.EPERM) {
      throw new NicError(
        `TUN device ${options.name}: not permitted, CAP_NET_ADMIN is missing (run as root, or grant the capability)`,
        errno,
      );
    }
    if (errno === libc.EBUSY) throw new NicError(`TUN device ${options.name} is in use by another program`, errno);
    if (errno === libc.EINVAL) throw new NicError(`${options.name} exists already and is no TUN device`, errno);
    throw new NicError(`TUN device ${options.name}: errno ${errno}`, errno);
  }
  const name = new TextDecoder().decode(request.subarray(0, request.subarray(0, IFREQ_FLAGS).indexOf(0)));
  try {
    await ip("link", "set", "dev", name, "addrgenmode", "none");
    await ip("link", "set", "dev", name, "mtu", String(options.mtu), "up");
    acceptLocal(name);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return { fd, name, mtu: options.mtu, offload };
}

/**
 * The boards tell hosts of packets that are too big from our own outer address, which the kernel would take for a stray on this device.
 * Where /proc/sys may not be written they are not told.
 */
function acceptLocal(name: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv4/conf/${name}/accept_local`, "1");
  } catch {
    // A container's: the administrator's to set from outside.
  }
}

const prefixOf = (destination: string): number =>
  destination === "default" ? 0 : Number(destination.split("/")[1] ?? 128);

/** A default route would tie with the existing one: two halves are more specific than it. */
export function routeDestinations(destination: string): string[] {
  if (destination === "::/0") return ["::/1", "8000::/1"];
  return destination === "0.0.0.0/0" ? ["0.0.0.0/1", "128.0.0.0/1"] : [destination];
}

/** The addresses of one device: those that peers have given us. */
export class TunAddresses {
  private present = new Set<string>();

  constructor(private readonly device: string) {}

  async replace(addresses: readonly string[]): Promise<void> {
    for (const address of this.present) {
      if (addresses.includes(address)) continue;
      this.present.delete(address);
      await ip("address", "del", prefixed(address), "dev", this.device);
    }
    for (const address of addresses) {
      if (this.present.has(address)) continue;
      // Nobody else is on the link who could have it, so duplicates are not looked for.
      await ip(
        "address",
        "replace",
        prefixed(address),
        "dev",
        this.device,
        ...(address.includes(":") ? ["nodad"] : []),
      );
      this.present.add(address);
    }
  }
}

const prefixed = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;

/** The routes of one device, which can be replaced while it runs. */
export class TunRoutes {
  private present = new Map<string, ProtectedRoute>();
  private kept = new Map<string, string[]>();
  private readonly own: OwnRoutes;

  constructor(private readonly device: string) {
    this.own = new OwnRoutes(device);
  }

  /** Makes `routes` the routes into the device and `keep` the peers that stay on their present path. */
  async replace(routes: readonly ProtectedRoute[], keep: readonly string[]): Promise<void> {
    const wanted = new Map<string, ProtectedRoute>();
    const peers = new Set(keep.map(prefixed));
    for (const route of routes) {
      if (peers.has(route.destination)) continue;
      for (const destination of routeDestinations(route.destination))
        wanted.set(destination, { ...route, destination });
    }
    // A peer's path is asked for before any route of ours can answer the question.
    for (const peer of keep) if (!this.kept.has(peer)) await this.keep(peer);
    for (const destination of this.present.keys()) {
      if (wanted.has(destination)) continue;
      await ip("route", "del", destination, "dev", this.device);
      this.present.delete(destination);
    }
    for (const [destination, route] of wanted) {
      const before = this.present.get(destination);
      if (before && before.source === route.source) continue;
      await ip("route", "replace", destination, "dev", this.device, ...(route.source ? ["src", route.source] : []));
      this.present.set(destination, route);
    }
    await this.own.replace(routes.filter(({ destination }) => peers.has(destination)));
    for (const peer of [...this.kept.keys()]) if (!keep.includes(peer)) await this.release(peer);
  }

  /** The addresses of this machine have changed: where a kept peer's path leads now, beside the routes into the device. */
  async refresh(): Promise<void> {
    for (const peer of this.kept.keys()) {
      const answer = await ip(familyOf(peer), "-json", "route", "show", "match", peer).catch(() => "[]");
      const paths = (JSON.parse(answer) as { dst: string; gateway?: string; dev: string }[]).filter(
        ({ dst, dev }) => dev !== this.device && dst !== peer && dst !== prefixed(peer),
      );
      const path = paths.sort((a, b) => prefixOf(b.dst) - prefixOf(a.dst))[0];
      if (path === undefined) continue;
      const words = [...(path.gateway ? ["via", path.gateway] : []), "dev", path.dev];
      await ip("route", "replace", prefixed(peer), ...words).catch(() => undefined);
      this.kept.set(peer, words);
    }
    await this.own.refresh();
  }

  /** Takes the host routes of kept peers and the rules away; the routes into the device go with it. */
  async removeRoutes(): Promise<void> {
    await this.own.remove();
    for (const peer of [...this.kept.keys()]) await this.release(peer);
  }

  /** Pins the path to a peer. One that has none yet, at boot say, is left alone: the route it gets later is its own. */
  private async keep(peer: string): Promise<void> {
    const answer = await ip("-json", "route", "get", peer).catch(() => undefined);
    if (answer === undefined) return;
    const [path] = JSON.parse(answer) as { gateway?: string; dev: string }[];
    const words = [...(path.gateway ? ["via", path.gateway] : []), "dev", path.dev];
    await ip("route", "replace", prefixed(peer), ...words);
    this.kept.set(peer, words);
  }

  private async release(peer: string): Promise<void> {
    const words = this.kept.get(peer) ?? [];
    this.kept.delete(peer);
    // The interface may have gone and taken the route along: then there is nothing to take away.
    await ip("route", "del", prefixed(peer), ...words).catch(() => undefined);
  }
}
