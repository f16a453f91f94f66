/** The front panel: `panel = 9816`, or a section with where it listens, its token, and whether it may act. */
import { resolve } from "node:path";
import { isLoopback, type PanelListening } from "../panel_listening.ts";
import { PanelTokenError, readPanelToken } from "../panel_token.ts";
import type { Place } from "./parser.ts";
import type { Values } from "./schema.ts";

/** What a configuration says of the panel; the token itself is read when the gateway starts. */
export interface PanelSettings extends PanelListening {
  /** The file of the token. */
  tokenFile?: string;
}

const PORT = 9816;

/** The panel of a chassis section; `directory` is where the configuration lies, for relative paths. */
export function readPanel(
  chassis: Values,
  directory: string | undefined,
  error: (place: Place, word: string, message: string) => void,
): PanelSettings | undefined {
  const short = chassis.values["panel"] as { host: string; port: number } | undefined;
  const section = chassis.sections.get("panel");
  if (!section) {
    if (short && !isLoopback(short.host))
      error(
        chassis.settings.get("panel") ?? chassis,
        short.host,
        `panel: whoever reaches ${short.host} would see it: panel { listen = ${short.host}:${short.port}  token = FILE }`,
      );
    return short && { ...short, actions: false, hosts: [] };
  }
  const placeOf = (setting: string): Place => section.settings.get(setting) ?? section;
  if (short) error(section, "panel", "panel: is there twice, as a setting and as a section");
  const { listen, token, actions = false, hosts = [] } = section.values as Partial<Record<string, never>>;
  const { host, port } = (listen as { host: string; port: number } | undefined) ?? { host: "127.0.0.1", port: PORT };
  if (token === undefined && !isLoopback(host))
    error(placeOf("listen"), host, `listen: whoever reaches ${host} would see the panel: token = FILE is mandatory`);
  if (token === undefined && actions)
    error(
      placeOf("actions"),
      "actions",
      "actions: whoever is on this machine could act as the operator: token = FILE is mandatory",
    );
  const tokenFile = token === undefined ? undefined : resolve(directory ?? ".", token);
  if (tokenFile !== undefined) {
    try {
      readPanelToken(tokenFile);
    } catch (problem) {
      if (!(problem instanceof PanelTokenError)) throw problem;
      error(placeOf("token"), token!, `token: ${problem.message}`);
    }
  }
  return { host, port, actions, hosts, ...(tokenFile === undefined ? {} : { tokenFile }) };
}
