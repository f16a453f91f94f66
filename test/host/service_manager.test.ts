/** What a service manager hears of a gateway, over the socket that systemd has. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ServiceManager } from "../../host/cli/service_manager.ts";
import * as libc from "../../host/nic/linux/libc.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-service-"));
test.after(() => rmSync(directory, { recursive: true }));

/** A manager's end of the socket. */
class Listening {
  readonly #descriptor = libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK, 0);
  readonly #octets = new Uint8Array(new ArrayBuffer(4096));

  constructor(path: string) {
    const address = Buffer.alloc(110);
    address.writeUInt16LE(libc.AF_UNIX, 0);
    address.write(path.startsWith("@") ? `\0${path.slice(1)}` : path, 2);
    assert.is(libc.bind(this.#descriptor, address, 2 + Buffer.byteLength(path) + (path.startsWith("@") ? 0 : 1)), 0);
  }

  /** What has come. */
  heard(): string[] {
    const messages: string[] = [];
    for (;;) {
      const length = libc.read(this.#descriptor, libc.addressOf(this.#octets.buffer), this.#octets.length);
      if (length <= 0) return messages;
      messages.push(Buffer.from(this.#octets.subarray(0, length)).toString());
    }
  }

  close(): void {
    libc.close(this.#descriptor);
  }
}

for (const path of [join(directory, "notify"), `@cardcage-test-${process.pid}`])
  test(`ready, reloading and stopping, at ${path.startsWith("@") ? "an abstract name" : "a path"}`, () => {
    const listening = new Listening(path);
    const manager = new ServiceManager({ NOTIFY_SOCKET: path });
    manager.ready("moon:\nREADY=0");
    manager.reloading();
    manager.stopping();
    const [ready, reloading, stopping] = listening.heard();
    assert.is(ready, "READY=1\nSTATUS=moon: READY=0", "a status is one line");
    assert.match(reloading!, /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    assert.is(stopping, "STOPPING=1");
    manager.close();
    listening.close();
  });

test("signs of life for a watchdog, its own alone", async () => {
  const path = join(directory, "watchdog");
  const listening = new Listening(path);
  const other = new ServiceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "15000", WATCHDOG_PID: "1" });
  const manager = new ServiceManager({
    NOTIFY_SOCKET: path,
    WATCHDOG_USEC: "15000",
    WATCHDOG_PID: String(process.pid),
  });
  const heard: string[] = [];
  while (heard.length < 3) {
    await pause(5);
    heard.push(...listening.heard());
  }
  assert.ok(heard.every((message) => message === "WATCHDOG=1"));
  manager.close();
  listening.heard();
  await pause(50);
  assert.equal(listening.heard(), [], "none when it is over, and none of the one that was not meant");
  other.close();
  listening.close();
});

test("no manager, one that went away and one that does not read hold nothing up", () => {
  for (const environment of [{}, { NOTIFY_SOCKET: join(directory, "absent") }, { NOTIFY_SOCKET: "relative" }]) {
    const manager = new ServiceManager(environment);
    manager.ready("x");
    manager.close();
  }
  const path = join(directory, "deaf");
  const listening = new Listening(path);
  const manager = new ServiceManager({ NOTIFY_SOCKET: path });
  for (let i = 0; i < 5000; i++) manager.ready("x");
  listening.close();
  manager.stopping();
  manager.close();
});

test.run();
