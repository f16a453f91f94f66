/**
 * A TLS handshake in memory: node:tls over a stream whose two ends are arrays. Octets of the other end's go in, those for it come out; who
 * carries them is not its business (eap_tls.ts).
 *
 * The engine works on what it is given within the same turn of the event loop, and its output comes through node's streams within the
 * next ones: what has come when some turns brought nothing more is its whole flight.
 *
 * TLS 1.2 and 1.3 with forward secrecy, both ends with certificates. Nothing is resumed: a session would outlive what it proved.
 * The engine's own verdict on the other end's certificates is not asked for; the owner judges them.
 */
import { constants } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { Duplex } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";

export interface TlsCredential {
  key: KeyObject;
  /** DER: the end entity's first. */
  certificates: readonly Uint8Array[];
}

/** Turns without output that end a flight, and turns at most. */
const QUIET_TURNS = 3;
const TURNS_MAX = 200;
const CIPHERS =
  "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:" +
  "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:!aNULL:!aPSK:!SHA1";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;

class Wire extends Duplex {
  readonly out: Buffer[] = [];

  override _read(): void {
    // Comes by push.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.out.push(chunk);
    done();
  }
}

export class TlsHandshake {
  readonly #wire = new Wire();
  readonly #socket: TLSSocket;
  readonly #received: Buffer[] = [];
  #established = false;
  #failed = false;

  constructor(server: boolean, { key, certificates }: TlsCredential) {
    const secureContext = createSecureContext({
      key: key.export({ type: "pkcs8", format: "pem" }),
      cert: certificates.map(pem).join(""),
      ca: [], // not the machine's authorities
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      ciphers: CIPHERS,
      honorCipherOrder: true,
      // An EAP server that does not know RFC 5746 is taken: without renegotiation there is nothing to be spliced into.
      secureOptions:
        constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_LEGACY_SERVER_CONNECT,
    });
    const trust = { rejectUnauthorized: false, secureContext };
    this.#socket = server
      ? new TLSSocket(this.#wire, { isServer: true, requestCert: true, ...trust })
      : connect({ socket: this.#wire, checkServerIdentity: () => undefined, ...trust });
    this.#socket.on(server ? "secure" : "secureConnect", () => (this.#established = true));
    this.#socket.on("data", (data: Buffer) => this.#received.push(data));
    this.#socket.on("error", () => (this.#failed = true));
    this.#socket.on("close", () => (this.#failed ||= !this.#established));
  }

  /** Both ends have finished. */
  get established(): boolean {
    return this.#established && !this.#failed;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Application data of the other end's. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** Takes octets from the other end, none to begin with; gives those for it. */
  async feed(octets: Uint8Array): Promise<Uint8Array> {
    if (octets.length > 0) this.#wire.push(Buffer.from(octets));
    let [quiet, seen] = [0, this.#wire.out.length];
    for (let turns = 0; quiet < QUIET_TURNS && turns < TURNS_MAX; turns++) {
      await turn();
      quiet = this.#wire.out.length === seen ? quiet + 1 : 0;
      seen = this.#wire.out.length;
    }
    return Buffer.concat(this.#wire.out.splice(0));
  }

  /** Sends application data; what is to be sent for it comes with the next feed. */
  write(data: Uint8Array): void {
    this.#socket.write(data);
  }

  /** The other end's certificates, in DER, its own first; none before they have come. */
  certificates(): Uint8Array[] {
    const path: Uint8Array[] = [];
    let next = this.#socket.getPeerCertificate(true);
    while (next?.raw && !path.some((der) => next.raw.equals(der))) {
      path.push(new Uint8Array(next.raw));
      next = next.issuerCertificate;
    }
    return path;
  }

  get version(): string | null {
    return this.#socket.getProtocol();
  }

  export(octets: number, label: string, context?: Buffer): Buffer {
    return this.#socket.exportKeyingMaterial(octets, label, context as Buffer);
  }

  close(): void {
    this.#socket.destroy();
    this.#wire.destroy();
  }
}
