/**
 * Postquantum preshared keys of a connection (RFC 8784): swanctl's `ppk_id` and `ppk_required`, and whether the secrets go with them.
 * As with strongSwan an initiator offers the one that `ppk_id` names, and a responder takes any that it has.
 */
import * as abi from "../../../assembly/abi/management.ts";
import type { IkeSecret } from "../../secure_element/psk_store.ts";
import { PpkStore } from "../../secure_element/ppk_store.ts";
import { parseIdentity } from "./identity.ts";
import type { ConfigurationError } from "./parser.ts";
import type { Values } from "./schema.ts";

const PPK_ID_MAX = 255;

export class Ppks {
  readonly #any: boolean;
  readonly #store = new PpkStore();
  readonly #errors: ConfigurationError[];

  constructor(secrets: readonly IkeSecret[], errors: ConfigurationError[]) {
    const ppks = secrets.filter(({ ppk }) => ppk);
    this.#any = ppks.length > 0;
    this.#store.load(ppks);
    this.#errors = errors;
  }

  /** Adds the items of a connection. */
  connection(section: Values, add: (type: number, value: Uint8Array | number) => void): void {
    const required = section.values["ppk_required"] === true;
    const id = this.#id(section);
    if (id) add(abi.CONNECTION_PPK_ID, id);
    if (required && !this.#any)
      this.#error(section, "ppk_required", "ppk_required: no ppk secret is configured", false);
    if (id && !this.#store.find(id)) this.#error(section, "ppk_id", "ppk_id: no ppk secret has this id", !required);
    if (required) add(abi.CONNECTION_PPK, abi.PPK_POLICY_REQUIRED);
    else if (this.#any) add(abi.CONNECTION_PPK, abi.PPK_POLICY_OPTIONAL);
  }

  /** The octets of PPK_ID. */
  #id(section: Values): Uint8Array | undefined {
    const text = section.values["ppk_id"] as string | undefined;
    if (text === undefined) return undefined;
    try {
      const identity = parseIdentity(text)?.subarray(1);
      if (!identity || identity.length === 0 || identity.length > PPK_ID_MAX)
        throw new RangeError(`'${text}' names no PPK`);
      return identity;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#error(section, "ppk_id", `ppk_id: ${error.message}`, false);
      return undefined;
    }
  }

  #error(section: Values, setting: string, message: string, warning: boolean): void {
    const { file, line } = section.settings.get(setting) ?? section;
    this.#errors.push({ file, line, word: setting, message, ...(warning ? { warning } : {}) });
  }
}
