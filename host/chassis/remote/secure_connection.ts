/**
 * The connection between a chassis and a shelf: TLS 1.3 with a pre-shared key and (EC)DHE (RFC 8446 2.2, psk_dhe_ke).
 *
 * The key is all that either end trusts: there are no certificates, who does not have it gets no further than the handshake, and it
 * authenticates both ends. A recorded connection stays closed when the key leaks later. From each connection come the keys of its internal
 * path (RFC 8446 7.5): they are new with every one, and end with it.
 */
import * as tls from "node:tls";
import { readShelfKey } from "./key_file.ts";
import type { PathKeys } from "./path.ts";

const IDENTITY = "cardcage-shelf";
/** OpenSSL binds a key of a callback to SHA-256, and so to these. The last word lets a server do without a certificate. */
const CIPHERS = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:PSK";
const EXPORTER = "EXPORTER-cardcage-internal-path";
/** ms until a handshake is over. */
const HANDSHAKE_MS = 5000;
const KEY = 32;
const IV = 12;

/** Listens for chassis that have the key. Errors of one connection are told by `tlsClientError`. */
export function createShelfServer(keyFile: string, accept: (socket: tls.TLSSocket) => void): tls.Server {
  return tls.createServer(
    {
      minVersion: "TLSv1.3",
      ciphers: CIPHERS,
      handshakeTimeout: HANDSHAKE_MS,
      pskIdentityHint: IDENTITY,
      // OpenSSL keeps a copy, which is out of reach here.
      pskCallback: (_socket, identity) => (identity === IDENTITY ? readable(keyFile) : null),
    },
    accept,
  );
}

/** The key, or none when its file has become unreadable: the handshake fails then. */
function readable(keyFile: string): Buffer | null {
  try {
    return readShelfKey(keyFile);
  } catch {
    return null;
  }
}

/** Connects to a shelf; `ready` is called once it has proved that it has the key. Throws KeyFileError. */
export function connectToShelf(
  { host, port, keyFile }: { host: string; port: number; keyFile: string },
  ready: () => void,
): tls.TLSSocket {
  const psk = readShelfKey(keyFile);
  const socket = tls.connect({
    host,
    port,
    minVersion: "TLSv1.3",
    ciphers: CIPHERS,
    pskCallback: () => ({ psk, identity: IDENTITY }),
    // No authority is trusted: whoever shows a certificate in place of the key is refused.
    ca: [],
    checkServerIdentity: () => undefined,
  });
  const patience = setTimeout(() => socket.destroy(new Error("no answer in time")), HANDSHAKE_MS);
  socket.once("close", () => clearTimeout(patience));
  socket.once("secureConnect", () => {
    clearTimeout(patience);
    psk.fill(0);
    if (Object.keys(socket.getPeerCertificate()).length > 0)
      socket.destroy(new Error("a certificate in place of the key"));
    else ready();
  });
  socket.once("close", () => psk.fill(0));
  return socket;
}

/** The keys of the internal path that belongs to a connection, as one end has them. */
export function pathKeys(socket: tls.TLSSocket, end: "chassis" | "shelf"): PathKeys {
  const material = socket.exportKeyingMaterial(2 * (KEY + IV), EXPORTER, Buffer.alloc(0));
  const half = (first: number) => ({
    key: material.subarray(first, first + KEY),
    iv: material.subarray(first + KEY, first + KEY + IV),
  });
  const [toShelf, toChassis] = [half(0), half(KEY + IV)];
  return end === "chassis" ? { send: toShelf, receive: toChassis } : { send: toChassis, receive: toShelf };
}
