/**
 * A peer whose real certificate carries what acts on whoever shows it: sequences of a terminal, lines of its own, markup, names of great
 * length. Its authority is trusted, so that what it says of itself comes all the way.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PairOptions } from "../../host/demo/pair.ts";
import { issue, writeDirectory } from "./authority.ts";

/**
 * Sets a title, clears the screen, begins a line that claims something, turns text around, ends the quotation that it stands in, and is markup
 * twice over.
 */
export const HOSTILE_NAME =
  "\u001b]0;owned\u0007\u001b[2J\u009b31m\r\nmoon-sun: #9, ESTABLISHED\n\u202egnp\u2028' @ 192.0.2.9[500]<script>document.title='owned'</script><img/src=x/onerror=alert(1)>";

/** The same as far as a dNSName has it, which is ASCII. */
const ASCII_NAME = HOSTILE_NAME.replace(/[^\u0000-\u007f]/g, "");

const escaped = (text: string): string =>
  [...Buffer.from(text)]
    .map((octet) =>
      octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : `\\x${octet.toString(16).padStart(2, "0")}`,
    )
    .join("");

/** What a terminal or a log reader acts on, but for the newline of our own layout. */
export const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Of the identity of IKE: its subject (ID_DER_ASN1_DN), or a name among those that the certificate has besides (ID_FQDN). */
export type Named = "subject" | "name";

export interface HostilePeer {
  /** How its identity is to be seen: every octet beyond printable ASCII as \\xNN. */
  shown: string;
  options: Pick<PairOptions, "authentication" | "directory">;
  close(): void;
}

/**
 * sun is that peer, moon the gateway. `trusted`: moon takes any peer of the authority; otherwise it wants sun.example, and refuses this one.
 */
export function hostilePeer(named: Named, trusted = true): HostilePeer {
  const ca = issue({ name: "authority", ca: true });
  const moon = issue({ name: "moon.example", san: "moon.example" }, ca);
  // As the subject it is the identity, of which IKE takes 255 octets; beside one there may be more of everything.
  const sun =
    named === "subject"
      ? issue({ name: HOSTILE_NAME }, ca)
      : issue({ name: HOSTILE_NAME + "A".repeat(2000), san: [ASCII_NAME, "<b>".repeat(700)] }, ca);
  const root = mkdtempSync(join(tmpdir(), "cardcage-hostile-"));
  const directory = { moon: join(root, "moon"), sun: join(root, "sun") };
  writeDirectory(directory.moon, { x509: { own: moon }, x509ca: { ca }, private: { own: moon.key } });
  writeDirectory(directory.sun, { x509: { own: sun }, x509ca: { ca }, private: { own: sun.key } });
  const id = named === "subject" ? "" : `id = "@${ASCII_NAME}"`;
  const any = named === "subject" ? "C=*, O=*, CN=*" : "%any";
  return {
    shown:
      named === "subject"
        ? `C=XX, O=cardcage test, CN=${escaped(HOSTILE_NAME).replaceAll(",", "\\,")}`
        : escaped(ASCII_NAME),
    options: {
      directory,
      authentication: {
        moon: `local {\n auth = pubkey\n certs = own.pem\n }
          remote {\n auth = pubkey\n id = ${trusted ? `"${any}"` : "sun.example"}\n }`,
        sun: `local {\n auth = pubkey\n certs = own.pem\n ${id}\n }
          remote {\n auth = pubkey\n id = "C=XX, O=cardcage test, CN=moon.example"\n }`,
      },
    },
    close: () => rmSync(root, { recursive: true }),
  };
}
