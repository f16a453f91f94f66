/**
 * `cardcage up FILE`: a gateway on this machine's network, in the foreground.
 *
 *   1  the configuration is read; nothing is touched when it is wrong
 *   2  NICs: UDP 500/4500 and protocols 50 and 51 outside, a TUN device with the routes to the peers' networks inside
 *   3  the boards get power, the connections are loaded, the control socket opens
 *   4  SIGTERM or SIGINT: SAs are deleted at the peers (up to 5 s), power off, NICs closed, exit 0; a second signal
 *      ends at once
 *
 * Refuses the lockstep drive: its clock is virtual, a network's is not.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Threaded } from "../chassis/drive/threaded.ts";
import { type LinuxNics, localAddresses, openLinuxNics, presentAddresses } from "../nic/linux/index.ts";
import type { Configuration } from "../operator/configuration/compile.ts";
import { ControlServer } from "../operator/control.ts";
import { CommandError, Gateway, type GatewayOptions } from "../operator/gateway.ts";
import type { Listening, MetricsServer } from "../operator/metrics_server.ts";
import { lookUp, systemResolve } from "../operator/name_lookup.ts";
import { capacities, openFlash, type OpenedFlash } from "./chassis_flash.ts";
import { readConfiguration, tellProblems } from "./configuration_file.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./exit.ts";
import { tokenSecret } from "./token_secret.ts";
import { renderEvent } from "./render.ts";
import { VirtualIps } from "./virtual_ips.ts";

/** Milliseconds that names have at the start; the gateway looks them up again by itself. */
const START_PATIENCE = 3000;
/** What a board takes. */
const ADDRESSES_MAX = 64;

/** How long lines may wait for others to be written with them, ms: a write costs more than a line does. */
const LOG_MILLISECONDS = 20;
let lines = "";

function log(text: string): void {
  if (lines === "") setTimeout(flushLog, LOG_MILLISECONDS).unref();
  lines += `${new Date().toISOString()} ${text}\n`;
}

function flushLog(): void {
  if (lines === "") return;
  const text = lines;
  lines = "";
  process.stdout.write(text);
}

// However the process ends, what was logged before is written. Files and pipes take it at once.
process.on("exit", flushLog);

/** Resolves with what ends the run; a second signal ends the process. */
function ending(): { ended: Promise<{ failure?: string }>; fail: (failure: string) => void } {
  let end: (how: { failure?: string }) => void = () => undefined;
  const ended = new Promise<{ failure?: string }>((resolve) => (end = resolve));
  let signals = 0;
  const onSignal = (signal: string): void => {
    signals += 1;
    if (signals > 1) process.exit(EXIT_FAILED);
    log(`${signal}: shutting down`);
    end({});
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, onSignal);
  return { ended, fail: (failure) => end({ failure }) };
}

/** Where the peers' names lead at first, as far as that is soon known: their path must not lead into the tunnel either. */
async function namedAddresses(configuration: Configuration): Promise<string[]> {
  const names = configuration.connections.flatMap((connection) => connection.names ?? []);
  if (names.length === 0) return [];
  const patience = pause(START_PATIENCE, undefined, { ref: false }).then(() => ({ addresses: [] }));
  return (await Promise.race([lookUp(names, systemResolve), patience])).addresses;
}

type Boot = Pick<GatewayOptions, "firmware" | "imageKeys">;

/** What flash boots, when the configuration names a chassis directory. */
async function bootFlash(opened: OpenedFlash | undefined): Promise<Boot> {
  if (!opened) return {};
  const { flash, trusted } = opened;
  const boot = await flash.boot();
  for (const note of boot.notes) log(`flash: ${note}`);
  return { firmware: { flash, boot }, imageKeys: trusted };
}

function buildGateway(
  configuration: Configuration,
  addresses: readonly string[],
  drive: Threaded,
  { firmware, imageKeys }: Boot,
): Gateway {
  const { chassis, connections, secrets, credentials } = configuration;
  return new Gateway({
    name: chassis.name,
    drive,
    link: chassis.link,
    slots: chassis.slots,
    ikeSlot: chassis.ikeSlot,
    localAddresses: addresses,
    portIke: chassis.portIke,
    portNatt: chassis.portNatt,
    ...(chassis.build === undefined ? {} : { build: chassis.build }),
    ...capacities(configuration),
    ...(firmware === undefined ? {} : { firmware }),
    ...(imageKeys === undefined ? {} : { imageKeys }),
    ...(chassis.placement === undefined ? {} : { placement: chassis.placement }),
    ...(chassis.lease === undefined ? {} : { lease: chassis.lease }),
    rebalance: chassis.rebalance,
    crashDetection: chassis.crashDetection,
    crashLimit: chassis.crashLimit,
    faults: chassis.faults,
    ...(chassis.state === undefined ? {} : { tokenSecret: tokenSecret(chassis.state) }),
    ...(chassis.adjustMss === undefined ? {} : { adjustMss: chassis.adjustMss }),
    ...(chassis.unprotectedMtu === undefined ? {} : { unprotectedMtu: chassis.unprotectedMtu }),
    ...(chassis.fragmentSize === undefined ? {} : { fragmentSize: chassis.fragmentSize }),
    ...(chassis.retransmitMs === undefined ? {} : { retransmitMs: chassis.retransmitMs }),
    ...(chassis.retransmitTries === undefined ? {} : { retransmitTries: chassis.retransmitTries }),
    ...(chassis.keepAlive === undefined ? {} : { keepAlive: chassis.keepAlive }),
    connections,
    pools: configuration.pools,
    secrets,
    credentials,
  });
}

/** Has NICs and boards know the addresses that this machine has now, one change after the other. */
function followAddresses(
  gateway: Gateway,
  configuration: Configuration,
): { changed: () => void; start: (nics: LinuxNics) => void } {
  let nics: LinuxNics | undefined;
  let turn: Promise<void> = Promise.resolve();
  const change = async (): Promise<void> => {
    if (!nics) return;
    const present = presentAddresses(configuration.localAddresses, nics.tunName).slice(0, ADDRESSES_MAX);
    const before = gateway.chassis.localAddresses;
    if (present.length === before.length && present.every((address) => before.includes(address))) return;
    const addresses = await nics.setLocalAddresses(present);
    log(`unprotected ${addresses.length > 0 ? addresses.join(", ") : "without an address"}`);
    gateway.chassis.setLocalAddresses(addresses);
  };
  const changed = (): void => {
    turn = turn.then(change).catch((error: Error) => log(`addresses: ${error.message}`));
  };
  return {
    changed,
    start: (opened) => {
      nics = opened;
      changed();
    },
  };
}

/** Serves metrics where the configuration wants them; what that needs is loaded only then. */
async function listenMetrics(gateway: Gateway, where: Listening | undefined): Promise<MetricsServer | undefined> {
  if (!where) return undefined;
  const [{ Metrics }, { MetricsServer }] = await Promise.all([
    import("../operator/metrics.ts"),
    import("../operator/metrics_server.ts"),
  ]);
  const server = await MetricsServer.listen(new Metrics(gateway), where);
  log(`metrics at http://${where.host.includes(":") ? `[${where.host}]` : where.host}:${where.port}/metrics`);
  return server;
}

/** Runs until a signal; the exit code. */
export async function up(file: string, socket: string): Promise<number> {
  const checked = readConfiguration(file);
  tellProblems(checked);
  const { configuration } = checked;
  if (!configuration) return EXIT_USAGE;
  if (configuration.chassis.drive === "lockstep") {
    process.stderr.write(`${file}: drive = lockstep runs on a virtual clock: 'up' wants drive = threaded\n`);
    return EXIT_USAGE;
  }
  const { ended, fail } = ending();
  const drive = new Threaded();
  let nics: LinuxNics | undefined;
  let gateway: Gateway | undefined;
  let flash: OpenedFlash | undefined;
  let control: ControlServer | undefined;
  let metrics: MetricsServer | undefined;
  try {
    const addresses = localAddresses(configuration.localAddresses);
    flash = await openFlash(configuration);
    gateway = buildGateway(configuration, addresses, drive, await bootFlash(flash));
    const addressing = followAddresses(gateway, configuration);
    nics = await openLinuxNics({
      localAddresses: addresses,
      portIke: configuration.chassis.portIke,
      portNatt: configuration.chassis.portNatt,
      tun: configuration.chassis.tun,
      routes: configuration.routes.map((destination) => {
        const source = configuration.sources[destination];
        return { destination, ...(source === undefined ? {} : { source }) };
      }),
      keep: [...configuration.remoteAddresses, ...(await namedAddresses(configuration))],
      bypass: configuration.bypass,
      onAddresses: addressing.changed,
      onFailure: (error) => fail(`NIC: ${error.message}`),
    });
    log(`unprotected ${addresses.join(", ")}   protected ${nics.tunName} ${configuration.routes.join(", ")}`);
    gateway.attach(nics.unprotected);
    gateway.attach(nics.protected);
    const virtualIps = new VirtualIps(nics, configuration, (problem) => log(problem));
    gateway.onEvent((event) => {
      log(renderEvent(event));
      virtualIps.take(event);
    });
    await gateway.start();
    addressing.start(nics);
    control = await ControlServer.listen(socket, gateway);
    metrics = await listenMetrics(gateway, configuration.chassis.metrics);
    log(`ready: ${configuration.connections.map(({ name }) => name).join(", ")}   control socket ${socket}`);
    const { failure } = await ended;
    if (failure !== undefined) throw new CommandError(failure);
    await gateway.shutdown();
    log("down");
    return EXIT_OK;
  } catch (error) {
    process.stderr.write(`cardcage up: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  } finally {
    flushLog();
    await control?.close();
    await metrics?.close();
    await gateway?.close();
    flash?.directory.close();
    await nics?.close();
    await drive.close();
  }
}
