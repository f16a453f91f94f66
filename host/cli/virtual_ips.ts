/**
 * Virtual IPs that peers have given us, as this machine has them: addresses of the TUN device, and the source of what goes by the
 * routes of their connection. Two IKE_SAs may have the same one for a while, when one takes over from the other.
 *
 * Name servers that came with them are told as events alone: whose resolv.conf it is, is not for a gateway to say.
 */
import type { ProtectedRoute } from "../nic/linux/index.ts";
import type { Configuration } from "../operator/configuration/compile.ts";
import type { GatewayEvent } from "../operator/gateway.ts";

/** What of the NICs is needed. */
export interface Device {
  setAddresses(addresses: readonly string[]): Promise<void>;
  setRoutes(routes: readonly ProtectedRoute[], keep: readonly string[]): Promise<void>;
}

const isIPv6 = (address: string): boolean => address.includes(":");

export class VirtualIps {
  /** By connection and address: how many IKE_SAs have it. */
  readonly #held = new Map<string, Map<string, number>>();
  readonly #device: Device;
  #configuration: Pick<Configuration, "routes" | "virtualRoutes" | "sources" | "remoteAddresses">;
  readonly #tell: (problem: string) => void;
  #installed: string[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(
    device: Device,
    configuration: Pick<Configuration, "routes" | "virtualRoutes" | "sources" | "remoteAddresses">,
    tell: (problem: string) => void,
  ) {
    this.#device = device;
    this.#configuration = configuration;
    this.#tell = tell;
  }

  /** Takes an event of the gateway's; most are none of our business. */
  take(event: GatewayEvent): void {
    if (event.kind !== "virtual-ip" || !("connection" in event)) return;
    const held = this.#held.get(event.connection ?? "") ?? new Map<string, number>();
    this.#held.set(event.connection ?? "", held);
    for (const address of event["virtual-ips"] ?? []) {
      const count = (held.get(address) ?? 0) + (event.up ? 1 : -1);
      if (count > 0) held.set(address, count);
      else held.delete(address);
    }
    this.#work = this.#work
      .then(() => this.#install())
      .catch((error: Error) => this.#tell(`virtual IP: ${error.message}`));
  }

  /** Makes routes those of another configuration; resolves when the device has them. */
  async configure(configuration: Configuration): Promise<void> {
    this.#configuration = configuration;
    const done = this.#work.then(() => this.#install());
    this.#work = done.catch((error: Error) => this.#tell(`routes: ${error.message}`));
    await done;
  }

  /** Resolves when the device is as the events so far want it. */
  settled(): Promise<void> {
    return this.#work;
  }

  async #install(): Promise<void> {
    const wanted = [...new Set([...this.#held.values()].flatMap((held) => [...held.keys()]))];
    // A route can have a source only while the device has it.
    await this.#device.setAddresses([...new Set([...this.#installed, ...wanted])]);
    await this.#device.setRoutes(this.#routes(), this.#configuration.remoteAddresses);
    await this.#device.setAddresses(wanted);
    this.#installed = wanted;
  }

  #routes(): ProtectedRoute[] {
    const sources = new Map<string, string>();
    for (const [connection, held] of this.#held) {
      for (const destination of this.#configuration.virtualRoutes.get(connection) ?? []) {
        const source = [...held.keys()].find((address) => isIPv6(address) === isIPv6(destination));
        if (source !== undefined) sources.set(destination, source);
      }
    }
    return this.#configuration.routes.map((destination) => {
      const source = sources.get(destination) ?? this.#configuration.sources[destination];
      return source === undefined ? { destination } : { destination, source };
    });
  }
}
