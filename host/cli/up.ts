/**
 * `cardcage up FILE`: a gateway on this machine's network, in the foreground.
 *
 *   1  the configuration is read; nothing is touched when it is wrong
 *   2  NICs: UDP 500/4500 and protocols 50 and 51 outside, a TUN device with the routes to the peers' networks inside
 *   3  the boards get power, the connections are loaded, the control socket opens
 *   4  SIGTERM or SIGINT: SAs are deleted at the peers (up to 5 s), power off, NICs closed, exit 0; a second signal
 *      ends at once; SIGHUP takes the file over anew
 *
 * A service manager is told of it all (service_manager.ts). Refuses the lockstep drive: its clock is virtual, a network's is not.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Threaded } from "../chassis/drive/threaded.ts";
import { type LinuxNics, localAddresses, openLinuxNics, presentAddresses } from "../nic/linux/index.ts";
import type { Configuration } from "../operator/configuration/compile.ts";
import type { PanelSettings } from "../operator/configuration/panel.ts";
import { Commands, type ReloadOrder } from "../operator/commands.ts";
import { ControlServer } from "../operator/control.ts";
import { CommandError } from "../operator/command_error.ts";
import { Gateway, type GatewayOptions } from "../operator/gateway.ts";
import { renderError } from "../operator/configuration/configuration.ts";
import { Log } from "../operator/log.ts";
import type { Listening, MetricsServer } from "../operator/metrics_server.ts";
import type { PanelServer } from "../operator/panel_server.ts";
import { readPanelToken } from "../operator/panel_token.ts";
import { lookUp, systemResolve } from "../operator/name_lookup.ts";
import { type ReloadResult, renderReload } from "../operator/reload.ts";
import { Reloader } from "../operator/reloader.ts";
import { capacities, openFlash, type OpenedFlash } from "./chassis_flash.ts";
import { readConfiguration, tellProblems } from "./configuration_file.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./exit.ts";
import { Foreground } from "./foreground.ts";
import { flush, logAbove, writeLog } from "./log_output.ts";
import { failure } from "./results.ts";
import { tokenSecret } from "./token_secret.ts";
import { renderEvent } from "./render.ts";
import { ServiceManager } from "./service_manager.ts";
import { complain, printJson } from "./terminal.ts";
import { VirtualIps } from "./virtual_ips.ts";
import { WrongUsage } from "./wrong_usage.ts";

/** Milliseconds that names have at the start; the gateway looks them up again by itself. */
const START_PATIENCE = 3000;
/** What a board takes. */
const ADDRESSES_MAX = 64;

/** Resolves with what ends the run; a second signal ends the process. */
function ending(
  log: Log,
  foreground: Foreground,
): { ended: Promise<{ failure?: string }>; fail: (failure: string) => void } {
  let end: (how: { failure?: string }) => void = () => undefined;
  const ended = new Promise<{ failure?: string }>((resolve) => (end = resolve));
  let signals = 0;
  const onSignal = (signal: string): void => {
    signals += 1;
    if (signals > 1) {
      foreground.end();
      process.exit(EXIT_FAILED);
    }
    log.say("info", `${signal}: shutting down`);
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
async function bootFlash(opened: OpenedFlash | undefined, log: Log): Promise<Boot> {
  if (!opened) return {};
  const { flash, trusted } = opened;
  const boot = await flash.boot();
  for (const note of boot.notes) log.say("info", `flash: ${note}`);
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
    checkpoint: chassis.checkpoint,
    ...(chassis.orphanTime === undefined ? {} : { orphanTime: chassis.orphanTime }),
    cutThrough: chassis.cutThrough,
    receives: chassis.receives,
    crashDetection: chassis.crashDetection,
    crashLimit: chassis.crashLimit,
    faults: chassis.faults,
    keyExport: chassis.keyExport,
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
  { localAddresses: first }: Configuration,
  log: Log,
): { changed: () => void; start: (nics: LinuxNics) => void; configure: (configuration: Configuration) => void } {
  let wanted = first;
  let nics: LinuxNics | undefined;
  let turn: Promise<void> = Promise.resolve();
  const change = async (): Promise<void> => {
    if (!nics) return;
    const present = presentAddresses(wanted, nics.tunName).slice(0, ADDRESSES_MAX);
    const before = gateway.chassis.localAddresses;
    if (present.length === before.length && present.every((address) => before.includes(address))) return;
    const addresses = await nics.setLocalAddresses(present);
    log.say("info", `unprotected ${addresses.length > 0 ? addresses.join(", ") : "without an address"}`);
    gateway.chassis.setLocalAddresses(addresses);
  };
  const changed = (): void => {
    turn = turn.then(change).catch((error: Error) => log.say("error", `addresses: ${error.message}`));
  };
  return {
    changed,
    start: (opened) => {
      nics = opened;
      changed();
    },
    configure: ({ localAddresses }) => {
      wanted = localAddresses;
      changed();
    },
  };
}

/** Serves metrics where the configuration wants them; what that needs is loaded only then. */
async function listenMetrics(
  gateway: Gateway,
  where: Listening | undefined,
  log: Log,
): Promise<MetricsServer | undefined> {
  if (!where) return undefined;
  const [{ Metrics }, { MetricsServer }] = await Promise.all([
    import("../operator/metrics.ts"),
    import("../operator/metrics_server.ts"),
  ]);
  const server = await MetricsServer.listen(new Metrics(gateway), where);
  log.say(
    "info",
    `metrics at http://${where.host.includes(":") ? `[${where.host}]` : where.host}:${where.port}/metrics`,
  );
  return server;
}

/** Serves the front panel where the configuration wants one. */
async function listenPanel(
  commands: Commands,
  settings: PanelSettings | undefined,
  log: Log,
): Promise<PanelServer | undefined> {
  if (!settings) return undefined;
  const { tokenFile, ...listening } = settings;
  const { PanelServer } = await import("../operator/panel_server.ts");
  const token = tokenFile === undefined ? {} : { token: readPanelToken(tokenFile) };
  const server = await PanelServer.listen([commands], { ...listening, ...token });
  const how = `${listening.actions ? "with actions" : "to look at"}${tokenFile === undefined ? "" : ", with the token"}`;
  log.say("info", `front panel at ${server.url} (${how})`);
  return server;
}

/** Runs until a signal; the exit code. */
export async function up(file: string, socket: string, { json = false } = {}): Promise<number> {
  const checked = readConfiguration(file);
  const { configuration, errors } = checked;
  if (!json || configuration) tellProblems(checked);
  if (!configuration) {
    if (json) printJson(failure("usage", errors.map(renderError).join("\n")), true);
    return EXIT_USAGE;
  }
  if (configuration.chassis.drive === "lockstep") {
    throw new WrongUsage(`${file}: drive = lockstep runs on a virtual clock: 'up' wants drive = threaded`);
  }
  const log = new Log(configuration.chassis.log);
  writeLog(log, json ? { format: "json" } : configuration.chassis.log);
  const foreground = new Foreground({ json });
  logAbove(foreground);
  const { ended, fail } = ending(log, foreground);
  const manager = new ServiceManager();
  const drive = new Threaded();
  let nics: LinuxNics | undefined;
  let gateway: Gateway | undefined;
  let flash: OpenedFlash | undefined;
  let control: ControlServer | undefined;
  let metrics: MetricsServer | undefined;
  let panel: PanelServer | undefined;
  try {
    const addresses = localAddresses(configuration.localAddresses);
    foreground.step("images");
    flash = await openFlash(configuration);
    gateway = buildGateway(configuration, addresses, drive, await bootFlash(flash, log));
    const addressing = followAddresses(gateway, configuration, log);
    foreground.step("NICs");
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
    log.say(
      "info",
      `unprotected ${addresses.join(", ")}   protected ${nics.tunName} ${configuration.routes.join(", ")}`,
    );
    gateway.attach(nics.unprotected);
    gateway.attach(nics.protected);
    const virtualIps = new VirtualIps(nics, configuration, (problem) => log.say("error", problem));
    gateway.onEvent((event) => {
      log.event(event, renderEvent);
      virtualIps.take(event);
    });
    foreground.follow(gateway);
    await gateway.start();
    addressing.start(nics);
    const reloader = new Reloader(gateway, file, configuration, async (next) => {
      await virtualIps.configure(next);
      addressing.configure(next);
    });
    const serving = `${configuration.chassis.name}: control socket ${socket}`;
    const reload = async (order: ReloadOrder): Promise<ReloadResult> => {
      if (order.dryRun) return reloader.reload(order);
      manager.reloading();
      const result = await reloader.reload(order).finally(() => manager.ready(serving));
      for (const line of renderReload(result).trimEnd().split("\n")) log.say("info", `reload: ${line}`);
      return result;
    };
    process.on(
      "SIGHUP",
      () => void reload({ dryRun: false }).catch((error: Error) => log.say("error", `reload: ${error.message}`)),
    );
    const commands = new Commands(gateway, { reload, log });
    control = await ControlServer.serve(socket, commands);
    metrics = await listenMetrics(gateway, configuration.chassis.metrics, log);
    panel = await listenPanel(commands, configuration.chassis.panel, log);
    log.say(
      "info",
      `ready: ${configuration.connections.map(({ name }) => name).join(", ")}   control socket ${socket}`,
    );
    manager.ready(serving);
    foreground.ready();
    const { failure } = await ended;
    manager.stopping();
    foreground.stopping();
    if (failure !== undefined) throw new CommandError(failure);
    await gateway.shutdown();
    log.say("info", "down");
    return EXIT_OK;
  } catch (error) {
    flush();
    foreground.end();
    if (json) printJson(failure("failed", (error as Error).message), true);
    else complain(`cardcage up: ${(error as Error).message}`);
    return EXIT_FAILED;
  } finally {
    flush();
    foreground.end();
    manager.close();
    await control?.close();
    await metrics?.close();
    await panel?.close();
    await gateway?.close();
    flash?.directory.close();
    await nics?.close();
    await drive.close();
  }
}
