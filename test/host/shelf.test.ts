/** A shelf and strangers: who has no key, who has it and makes no sense, and who sends datagrams from elsewhere. Each is refused and counted. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect as tcpConnect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeMessage, MESSAGE_OFF, MESSAGE_POWER } from "../../host/chassis/remote/control_message.ts";
import { KeyFileError, readShelfKey, writeShelfKey } from "../../host/chassis/remote/key_file.ts";
import { connectToShelf } from "../../host/chassis/remote/secure_connection.ts";
import { Shelf } from "../../host/chassis/remote/shelf.ts";
import { issue } from "../pki/authority.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-shelf-"));
const keyFile = join(directory, "shelf.key");
writeShelfKey(keyFile);
test.after(() => rmSync(directory, { recursive: true }));

async function withShelf(action: (shelf: Shelf, log: string[]) => Promise<void>): Promise<void> {
  const log: string[] = [];
  const shelf = await Shelf.listen({
    host: "127.0.0.1",
    port: 0,
    keyFile,
    boards: 1,
    ramPages: 1024,
    log: (text) => log.push(text),
  });
  try {
    await action(shelf, log);
  } finally {
    await shelf.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const connected = (port: number, file = keyFile): Promise<tls.TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connectToShelf({ host: "127.0.0.1", port, keyFile: file }, () => resolve(socket));
    socket.once("error", reject);
  });

/** What ends a connection: an error's code, or nothing. */
const ending = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve(""));
  });

test("key files: made once, readable by their owner alone, and nothing but a key", () => {
  assert.is(readShelfKey(keyFile).length, 32);
  assert.throws(() => writeShelfKey(keyFile), /EEXIST/);
  const file = join(directory, "other.key");
  const refused = (what: RegExp): void =>
    assert.throws(
      () => readShelfKey(file),
      (error: unknown) => error instanceof KeyFileError && what.test(error.message),
    );
  refused(/ENOENT/);
  writeFileSync(file, "ab".repeat(32), { mode: 0o600 });
  assert.is(readShelfKey(file).toString("hex"), "ab".repeat(32));
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(file, mode);
    refused(/others may read or change it .*chmod 600/);
  }
  chmodSync(file, 0o600);
  for (const text of ["", "ab".repeat(31), `${"ab".repeat(32)}00`, "xy".repeat(32), "a passphrase"]) {
    writeFileSync(file, text);
    refused(/64 hexadecimal digits/);
  }
  writeFileSync(file, "a secret that is none");
  assert.throws(
    () => readShelfKey(file),
    (error: unknown) => !(error as Error).message.includes("a secret"),
  );
});

test("who has no key, or another one, gets no further than the handshake", () =>
  withShelf(async (shelf, log) => {
    const other = join(directory, "another.key");
    writeShelfKey(other);
    await connected(shelf.port, other).then(
      () => assert.unreachable("another key"),
      (error: NodeJS.ErrnoException) => assert.match(error.code ?? "", /^ERR_SSL_/),
    );
    const without = tls.connect({ host: "127.0.0.1", port: shelf.port, rejectUnauthorized: false });
    assert.match(await ending(without), /^ERR_SSL_|^ECONNRESET/);
    const plain = tcpConnect(shelf.port, "127.0.0.1", () => plain.write("GET / HTTP/1.1\r\n\r\n"));
    plain.resume();
    await ending(plain);
    await until(() => shelf.refused.handshakes === 3);
    await until(() => log.some((line) => line.includes("refused so far: 3 handshakes")));
    assert.is(shelf.boards, 0);
  }));

test("a server that shows a certificate in place of the key is no shelf", async () => {
  const { key, der } = issue({ name: "shelf", san: "localhost" });
  const cert = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
  let heard = "";
  const server = tls.createServer({ key: key.export({ type: "pkcs8", format: "pem" }), cert }, (socket) => {
    socket.on("data", (chunk) => (heard += chunk.toString()));
    socket.on("error", () => undefined);
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await connected((server.address() as AddressInfo).port).then(
    () => assert.unreachable("a certificate"),
    (error: Error) => assert.ok(error),
  );
  assert.is(heard, "");
  server.close();
});

test("who has the key and makes no sense is refused, and counted", () =>
  withShelf(async (shelf) => {
    const messages = [
      Buffer.alloc(64),
      Buffer.alloc(64, 0xff),
      encodeMessage(MESSAGE_OFF, Buffer.alloc(8)),
      encodeMessage(MESSAGE_POWER),
      encodeMessage(MESSAGE_POWER, Buffer.from([3, 0, 0, 0]), Buffer.from("{}}")),
      encodeMessage(MESSAGE_POWER, Buffer.from([2, 0, 0, 0]), Buffer.from("{}")),
    ];
    for (const [i, message] of messages.entries()) {
      const socket = await connected(shelf.port);
      socket.resume();
      const ended = ending(socket);
      socket.write(message);
      await ended;
      assert.is(shelf.refused.malformed, i + 1);
    }
    assert.is(shelf.boards, 0);
    assert.is(shelf.refused.handshakes, 0);
  }));

test("datagrams of no session are counted, whatever is in them", () =>
  withShelf(async (shelf) => {
    const socket = createSocket("udp4");
    for (const size of [0, 1, 4, 27, 28, 29, 1500]) socket.send(Buffer.alloc(size, size), shelf.port, "127.0.0.1");
    await until(() => shelf.refused.strangers === 7);
    socket.close();
    await once(socket, "close");
  }));

test("a shelf without a readable key, or at an address that is taken, does not open", async () => {
  const options = { host: "127.0.0.1", port: 0, boards: 1, ramPages: 16, log: () => undefined };
  await Shelf.listen({ ...options, keyFile: join(directory, "none") }).then(
    () => assert.unreachable(),
    (error: Error) => assert.instance(error, KeyFileError),
  );
  await withShelf(async (shelf) => {
    await Shelf.listen({ ...options, keyFile, port: shelf.port }).then(
      () => assert.unreachable(),
      (error: NodeJS.ErrnoException) => assert.is(error.code, "EADDRINUSE"),
    );
  });
});

test.run();
