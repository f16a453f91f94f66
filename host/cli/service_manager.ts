/**
 * What a service manager is told of a gateway that it runs (sd_notify(3), systemd.service(5) Type=notify and WatchdogSec): ready, reloading,
 * stopping, a line of status, and that the event loop turns. One that is not there is told nothing.
 */
import * as libc from "../nic/linux/libc.ts";

/** Of sockaddr_un's sun_path. */
const PATH_MAX = 108;
/** Three signs of life in the time that the manager waits for one. */
const SIGNS = 3;

export class ServiceManager {
  readonly #descriptor: number | undefined;
  #alive: NodeJS.Timeout | undefined;

  /** Finds the manager by NOTIFY_SOCKET, the patience of its watchdog by WATCHDOG_USEC. */
  constructor(environment: NodeJS.ProcessEnv = process.env) {
    const { NOTIFY_SOCKET: where, WATCHDOG_USEC: patience, WATCHDOG_PID: whose } = environment;
    this.#descriptor = where ? open(where) : undefined;
    if (this.#descriptor === undefined || !patience || (whose && Number(whose) !== process.pid)) return;
    const milliseconds = Number(patience) / 1000 / SIGNS;
    if (milliseconds >= 1) this.#alive = setInterval(() => this.#tell("WATCHDOG=1"), milliseconds).unref();
  }

  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${oneLine(status)}`);
  }

  /** Until `ready`. The time is the monotonic clock's, as Type=notify-reload wants it. */
  reloading(): void {
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  stopping(): void {
    this.#tell("STOPPING=1");
  }

  close(): void {
    clearInterval(this.#alive);
    if (this.#descriptor !== undefined) libc.close(this.#descriptor);
  }

  #tell(state: string): void {
    if (this.#descriptor === undefined) return;
    const octets = Buffer.from(state);
    // A manager that does not read is not worth waiting for.
    libc.send(this.#descriptor, octets, octets.length, libc.MSG_NOSIGNAL | libc.MSG_DONTWAIT);
  }
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ");

/** A connected socket; undefined when there is none at that place. `@name` is in the abstract namespace. */
function open(where: string): number | undefined {
  const name = Buffer.from(where);
  if ((where[0] !== "/" && where[0] !== "@") || name.length > PATH_MAX - 1) return undefined;
  if (where[0] === "@") name[0] = 0;
  const address = Buffer.alloc(2 + PATH_MAX);
  address.writeUInt16LE(libc.AF_UNIX, 0);
  address.set(name, 2);
  const descriptor = libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
  if (descriptor < 0) return undefined;
  // The octet behind a path ends it; an abstract name is as long as the address says.
  const length = 2 + name.length + (where[0] === "@" ? 0 : 1);
  if (libc.connect(descriptor, address, length) === 0) return descriptor;
  libc.close(descriptor);
  return undefined;
}
