/**
 * What may stand in a configuration: swanctl.conf's names, verbatim, and a `chassis` section of our own.
 *
 * The schema is data: per section its settings and sub-sections, each setting with the kind of its value. Settings that swanctl
 * knows and this gateway does not are listed by name, so that they are named as such; anything else is a mistake, answered
 * with the nearest valid word.
 */
import { AUTHORITIES, KEY_SECRET_SECTION, LOCAL, REMOTE } from "./authentication_schema.ts";
import {
  CHILDLESS_ALLOW,
  CHILDLESS_FORCE,
  CHILDLESS_NEVER,
  CHILDLESS_PREFER,
  FRAGMENTATION_ACCEPT,
  FRAGMENTATION_NO,
  FRAGMENTATION_YES,
  START_NONE,
  START_START,
  START_TRAP,
  START_TRAP_START,
  UNIQUE_KEEP,
  UNIQUE_NEVER,
  UNIQUE_NO,
  UNIQUE_REPLACE,
} from "../../../assembly/abi/management.ts";
import { ADJUST_MSS_TO_MTU, BOARD_WEIGHT_MAX } from "../../../assembly/abi/config.ts";
import { FABRIC_SLOT_MAX } from "../../../assembly/abi/fabric.ts";
import { SA_FLAG_DSCP_APART, SA_FLAG_DSCP_INWARD } from "../../../assembly/abi/message.ts";
import { LOG } from "./log.ts";
import { nearest } from "./nearest.ts";
import { chassisPlacement, childPlacement } from "./placement.ts";
import { POOL } from "./pool.ts";
import type { ConfigurationError, Place, Section, Setting } from "./parser.ts";
import {
  address,
  boolean,
  browserHost,
  fixed,
  integer,
  list,
  listening,
  peer,
  type Reader,
  remoteShelf,
  size,
  text,
  time,
  virtualIp,
  withJson,
  word,
  WordError,
} from "./value.ts";

export interface SectionSchema {
  /** Setting -> how its value is read. */
  settings: Readonly<Record<string, Reader<unknown>>>;
  /** Settings by pattern, for names such as `id-1`. */
  patterns?: readonly { pattern: RegExp; example: string; read: Reader<unknown> }[];
  sections?: Readonly<Record<string, SectionSchema>>;
  sectionPatterns?: readonly { pattern: RegExp; example: string; schema: SectionSchema }[];
  /** Any name: the schema of every sub-section. */
  each?: SectionSchema;
  /** Known to swanctl, without a counterpart here. */
  unsupported?: readonly string[];
}

const action = word({ none: START_NONE, trap: START_TRAP, start: START_START, "trap|start": START_TRAP_START });
const dpdAction = word(
  { clear: START_NONE, none: START_NONE, trap: START_TRAP, restart: START_START },
  { start: "restart", hold: "trap" },
);

/** What else swanctl has is known by name; a slip of the pen is told the nearest word. */
const mode = word({ tunnel: "tunnel", transport: "transport", pass: "pass", drop: "drop" }, {}, (text) =>
  text === "beet" || text === "transport_proxy" ? "tunnel, transport, pass and drop are done" : undefined,
);

const CHILD: SectionSchema = {
  settings: {
    local_ts: text,
    remote_ts: text,
    esp_proposals: text,
    ah_proposals: text,
    mode: mode,
    priority: integer(0, 4_294_967_295),
    placement: childPlacement,
    rekey_time: time,
    rekey_bytes: size,
    rekey_packets: size,
    life_time: time,
    life_bytes: size,
    life_packets: size,
    rand_time: time,
    rand_bytes: size,
    rand_packets: size,
    inactivity: time,
    start_action: action,
    dpd_action: dpdAction,
    close_action: action,
    replay_window: integer(0, 4096),
    ipcomp: fixed(["no"], "there is no compression"),
    copy_df: boolean,
    copy_ecn: boolean,
    copy_dscp: word({
      out: 0,
      in: SA_FLAG_DSCP_APART | SA_FLAG_DSCP_INWARD,
      yes: SA_FLAG_DSCP_INWARD,
      no: SA_FLAG_DSCP_APART,
    }),
    policies: fixed(["yes"], "every child has its policies"),
    hw_offload: fixed(["no"], "there is no such hardware"),
    sha256_96: fixed(["no"], "the truncation of the RFC alone is done"),
    policies_fwd_out: fixed(["no"], "there are no forward policies"),
  },
  unsupported: (
    "updown hostaccess reqid interface mark_in mark_in_sa " +
    "mark_out set_mark_in set_mark_out if_id_in if_id_out label label_mode tfc_padding per_cpu_sas"
  ).split(" "),
};

const CONNECTION: SectionSchema = {
  settings: {
    version: fixed(["2", "0"], "IKEv1 is deprecated (RFC 9395)"),
    local_addrs: list(address),
    remote_addrs: list(peer),
    local_port: fixed(["500"], "the ports are those of the chassis"),
    remote_port: integer(1, 65535),
    proposals: text,
    encap: boolean,
    mobike: boolean,
    dpd_delay: time,
    dpd_timeout: time,
    fragmentation: word({
      yes: FRAGMENTATION_YES,
      force: FRAGMENTATION_YES,
      accept: FRAGMENTATION_ACCEPT,
      no: FRAGMENTATION_NO,
    }),
    childless: word({
      allow: CHILDLESS_ALLOW,
      prefer: CHILDLESS_PREFER,
      force: CHILDLESS_FORCE,
      never: CHILDLESS_NEVER,
      no: CHILDLESS_NEVER,
    }),
    send_certreq: boolean,
    send_cert: word({ always: "always", never: "never", ifasked: "ifasked" }),
    unique: word({ no: UNIQUE_NO, never: UNIQUE_NEVER, replace: UNIQUE_REPLACE, keep: UNIQUE_KEEP }),
    keyingtries: integer(0, 1000),
    rekey_time: time,
    reauth_time: time,
    over_time: time,
    rand_time: time,
    aggressive: fixed(["no"], "IKEv1 is deprecated (RFC 9395)"),
    ppk_id: text,
    ppk_required: boolean,
    pull: fixed(["yes"], "IKEv1 is deprecated (RFC 9395)"),
    vips: list(virtualIp),
    pools: list(text),
  },
  sectionPatterns: [
    { pattern: /^local/, example: "local", schema: LOCAL },
    { pattern: /^remote/, example: "remote", schema: REMOTE },
  ],
  sections: { children: { settings: {}, each: CHILD } },
  unsupported: "dscp if_id_in if_id_out mediation mediated_by mediation_peer ocsp".split(" "),
};

/** secrets.ppk*: postquantum preshared keys. */
export const PPK_SECRETS = /^ppk/;
/** secrets.eap*: names and passwords. */
export const EAP_SECRETS = /^eap/;

const IKE_SECRET: SectionSchema = {
  settings: { secret: text },
  patterns: [{ pattern: /^id/, example: "id", read: text }],
};

const SLOT_NUMBER = /^([0-9]|[1-5][0-9]|6[0-3])$/;
const board = word({ ike: "ike", ipsec: "ipsec" });

/** `1 = ipsec`, or `1 { board = ipsec ... }` where there is more to say of it. */
const SLOTS: SectionSchema = {
  settings: {},
  patterns: [{ pattern: SLOT_NUMBER, example: "1", read: board }],
  sectionPatterns: [
    {
      pattern: SLOT_NUMBER,
      example: "1",
      schema: {
        settings: {
          board,
          number: integer(0, FABRIC_SLOT_MAX - 1),
          weight: integer(1, BOARD_WEIGHT_MAX),
          sa_capacity: integer(1, 131072),
          thread: integer(0, FABRIC_SLOT_MAX - 1),
          remote: remoteShelf,
        },
      },
    },
  ],
};

const mssWord = word({ no: 0, "clamp-mss-to-pmtu": ADJUST_MSS_TO_MTU });
const mssNumber = integer(88, 8960);

/** As routers have it: no, what the tunnel carries whole, or octets. */
const adjustMss = withJson((text): number => (/^\d+$/.test(text) ? mssNumber(text) : mssWord(text)), {
  schema: { anyOf: [mssWord.json?.schema, mssNumber.json?.schema] },
  plain: mssNumber.json?.plain ?? String,
});

export const CHASSIS: SectionSchema = {
  settings: {
    name: text,
    links: word({ ethernet: "ethernet", atm: "atm", remote: "remote" }),
    atm_mode: word({ frame: "atm", cell: "atm-cell" }),
    placement: chassisPlacement,
    lease: integer(4, 1_048_576),
    rebalance: boolean,
    checkpoint: boolean,
    orphan_time: time,
    cut_through: boolean,
    receive: word({ "own-thread": "own-thread", "ike-board": "ike-board" }),
    drive: word({ threaded: "threaded", lockstep: "lockstep" }),
    build: word({ simd: "simd", base: "base", relaxed: "relaxed" }),
    sa_capacity: integer(1, 131072),
    ike_sa_capacity: integer(1, 16384),
    fragment_size: integer(576, 9000),
    retransmit_timeout: time,
    retransmit_tries: integer(1, 20),
    crash_detection: boolean,
    crash_limit: integer(2, 1000),
    crash_window: time,
    faults: boolean,
    key_export: boolean,
    state: text,
    flash: text,
    image_keys: list(text),
    slot_ram: size,
    shelf_key: text,
    keep_alive: time,
    metrics: listening,
    panel: listening,
  },
  sections: {
    slots: SLOTS,
    log: LOG,
    panel: { settings: { listen: listening, token: text, actions: boolean, hosts: list(browserHost) } },
    protected: { settings: { tun: text, mtu: integer(576, 9000), adjust_mss: adjustMss } },
    unprotected: {
      settings: { port_ike: integer(1, 65535), port_natt: integer(1, 65535), mtu: integer(576, 9000) },
    },
  },
};

export const ROOT: SectionSchema = {
  settings: {},
  sections: {
    connections: { settings: {}, each: CONNECTION },
    secrets: {
      settings: {},
      sectionPatterns: [
        { pattern: /^ike/, example: "ike-peer", schema: IKE_SECRET },
        { pattern: PPK_SECRETS, example: "ppk-1", schema: IKE_SECRET },
        { pattern: EAP_SECRETS, example: "eap-user", schema: IKE_SECRET },
        KEY_SECRET_SECTION,
      ],
      unsupported: [],
    },
    authorities: AUTHORITIES,
    pools: { settings: {}, each: POOL },
    chassis: CHASSIS,
  },
};

/** Section names that swanctl knows, by the section that holds them. */
const UNSUPPORTED_SECTIONS: Record<string, RegExp> = {
  secrets: /^(xauth|ntlm|pkcs12|token)/,
};

/** A section whose settings have been read. */
export interface Values extends Place {
  name: string;
  values: Record<string, unknown>;
  /** Where each setting stands. */
  settings: ReadonlyMap<string, Setting>;
  sections: Map<string, Values>;
}

/** Reads every setting by the schema; what is wrong goes to `errors`. */
export function readSection(section: Section, schema: SectionSchema, errors: ConfigurationError[], path = ""): Values {
  const values: Values = {
    name: section.name,
    file: section.file,
    line: section.line,
    values: {},
    settings: section.settings,
    sections: new Map(),
  };
  for (const setting of section.settings.values()) {
    const read =
      (Object.hasOwn(schema.settings, setting.name) ? schema.settings[setting.name] : undefined) ??
      schema.patterns?.find(({ pattern }) => pattern.test(setting.name))?.read;
    if (!read) {
      errors.push(unknownSetting(setting, schema, path));
      continue;
    }
    // An empty assignment takes an inherited value back: the default applies.
    if (setting.value === "") continue;
    try {
      values.values[setting.name] = read(setting.value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const near = error instanceof WordError ? error.nearest : undefined;
      errors.push({
        file: setting.file,
        line: setting.line,
        word: setting.value,
        message: `${setting.name}: ${error.message}`,
        ...(near ? { nearest: near } : {}),
      });
    }
  }
  for (const child of section.sections.values()) {
    const childSchema =
      (schema.sections && Object.hasOwn(schema.sections, child.name) ? schema.sections[child.name] : undefined) ??
      schema.sectionPatterns?.find(({ pattern }) => pattern.test(child.name))?.schema ??
      schema.each;
    // A section at top level that others refer to is a template, not a configuration.
    if (!childSchema && path === "" && isTemplate(child)) continue;
    if (!childSchema) {
      errors.push(unknownSection(child, schema, path));
      continue;
    }
    values.sections.set(
      child.name,
      readSection(child, childSchema, errors, path === "" ? child.name : `${path}.${child.name}`),
    );
  }
  return values;
}

const templates = new WeakSet<Section>();

/** Tells readSection which top-level sections are referred to. */
export function markTemplates(root: Section): void {
  const visit = (section: Section): void => {
    for (const { path } of section.references) {
      const top = root.sections.get(path.split(".")[0] as string);
      if (top) templates.add(top);
    }
    for (const child of section.sections.values()) visit(child);
  };
  visit(root);
}

const isTemplate = (section: Section): boolean => templates.has(section);

const inSection = (path: string): string => (path === "" ? "" : ` in section '${path}'`);

const inSecret = (path: string): boolean => path.startsWith("secrets.");

function unknownSetting(setting: Setting, schema: SectionSchema, path: string): ConfigurationError {
  const place = { file: setting.file, line: setting.line, word: setting.name };
  if (schema.unsupported?.includes(setting.name)) {
    return {
      ...place,
      message: `setting '${setting.name}'${inSection(path)} is known to swanctl, but not supported by this gateway`,
    };
  }
  const valid = [...Object.keys(schema.settings), ...(schema.patterns ?? []).map(({ example }) => example)];
  const near = nearest(setting.name, valid);
  // The second line of a secret that was broken looks like a setting.
  if (!near && inSecret(path)) return { ...place, word: "", message: `unknown setting${inSection(path)}` };
  return {
    ...place,
    message: `unknown setting '${setting.name}'${inSection(path)}`,
    ...(near ? { nearest: near } : {}),
  };
}

function unknownSection(section: Section, schema: SectionSchema, path: string): ConfigurationError {
  const place = { file: section.file, line: section.line, word: section.name };
  if (UNSUPPORTED_SECTIONS[path]?.test(section.name)) {
    return {
      ...place,
      message: `section '${section.name}'${inSection(path)} is known to swanctl, but not supported by this gateway`,
    };
  }
  const valid = [
    ...Object.keys(schema.sections ?? {}),
    ...(schema.sectionPatterns ?? []).map(({ example }) => example),
  ];
  const near = nearest(section.name, valid);
  if (!near && inSecret(path)) return { ...place, word: "", message: `unknown section${inSection(path)}` };
  // swanctl leaves other names at top level for templates that nothing has to refer to.
  if (path === "" && !near) return { ...place, message: `section '${section.name}' is used by nothing`, warning: true };
  return {
    ...place,
    message: `unknown section '${section.name}'${inSection(path)}`,
    ...(near ? { nearest: near } : {}),
  };
}
