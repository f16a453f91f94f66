/**
 * What every command writes with --json: the contract of the command line for programs. The schemas in docs/schema/ are made of these
 * types (`npm run schema`), a test holds them against each other and against what the commands write.
 *
 * A program has to pass over keys that it does not know: keys may be added, and none changes its meaning or goes without a new
 * number in SCHEMA_VERSION.
 */
import type { FlashStatus } from "../chassis/flash/status.ts";
import type { ChassisStatus, SlotStatus } from "../chassis/chassis.ts";
import type { LintReport } from "../image/lint.ts";
import type { Refusal } from "../image/refusal.ts";
import type { ConfigurationError } from "../operator/configuration/parser.ts";
import type { CaptureStatus } from "../operator/capture.ts";
import type { ControlVersion } from "../operator/commands.ts";
import type { ErrorCode } from "../operator/control_protocol.ts";
import type { ConsoleLine } from "../operator/consoles.ts";
import type { DropsStatus } from "../operator/drops.ts";
import type { PacketExplanation } from "../operator/explain.ts";
import type { BoardsStatus, GatewayEvent } from "../operator/gateway.ts";
import type { FlashResult } from "../operator/images.ts";
import type { ConnectionStatus } from "../operator/management.ts";
import type { LogRecord } from "../operator/log.ts";
import type { PolicyStatus } from "../operator/policies.ts";
import type { PoolStatus } from "../operator/pools.ts";
import type { ReloadResult } from "../operator/reload.ts";
import type { ConnectionSas } from "../operator/sas.ts";
import type { TracedPacket } from "../operator/trace.ts";
import type { WatchStatus } from "../operator/watch.ts";
import type { Shell } from "./completion.ts";
import type { ImageInfo, SetInfo } from "./render_image.ts";

/** Of the schemas, in their $id. */
export const SCHEMA_VERSION = 1;

/** Instead of its result, of a command that fails; its exit code is the other half. */
export interface Failure {
  error: {
    /**
     * usage: the command line or a file of it (2); unreachable: no gateway answers (3); failed: the operation failed (1); the
     * others are the control socket's refusals of a request (2).
     */
    code: "usage" | "unreachable" | ErrorCode;
    /** For people. */
    message: string;
  };
}

export const failure = (code: Failure["error"]["code"], message: string): Failure => ({ error: { code, message } });

/** An image, a set or an operation on flash that is refused by name; exit code 1. */
export interface RefusedImage {
  ok: false;
  reason: Refusal;
  message: string;
}

export interface VersionResult {
  /** Of the command. */
  version: string;
  /** Of the control socket that the command speaks. */
  protocol: number;
  /** Of the gateway that runs; null when none answers. */
  gateway: ControlVersion | null;
}

/** A record of the log as it is written down: its time as ISO 8601 has it. */
export type LogLine = Omit<LogRecord, "time"> & { time: string };

export interface CheckResult {
  ok: boolean;
  /** Errors and warnings, each with the line as text has it. */
  problems: (ConfigurationError & { text: string })[];
  /** Of a file that is right: its chassis section, as chassis-file.schema.json has it. */
  chassis?: Record<string, unknown>;
}

export interface LintResult extends Pick<LintReport, "errors" | "warnings" | "manifest" | "features" | "ram"> {
  ok: boolean;
}

export interface SasResult {
  /** Kind of the backplane. */
  link: ChassisStatus["link"];
  sas: ConnectionSas[];
}

/** A file that was written. */
interface WrittenFile {
  ok: true;
  file: string;
}

type OfImage<T> = T | RefusedImage;

/** By command; `_` stands for the space of those with two words. */
export interface CommandResults {
  /** A line each, of its log. */
  up: LogLine;
  /** A line each, of its log; with --generate-key the file. */
  shelf: { time: string; msg: string } | WrittenFile;
  completion: { shell: Shell; script: string };
  version: VersionResult;
  check: CheckResult;
  reload: ReloadResult;
  lint: LintResult;
  capture: CaptureStatus;
  /** A line each. */
  log: LogRecord;
  sas: SasResult;
  boards: BoardsStatus;
  chassis: BoardsStatus;
  connections: ConnectionStatus[];
  policies: PolicyStatus[];
  pools: PoolStatus[];
  drops: DropsStatus;
  slot: SlotStatus;
  /** A line each. */
  console: ConsoleLine;
  fault: ChassisStatus["injected"];
  rebalance: Record<string, never>;
  initiate: { installed: string[] } | { established: string };
  rekey: { rekeyed: string };
  terminate: { terminated: string };
  redirect: { redirected: string; gateway: string };
  explain: PacketExplanation;
  /** A line each. */
  trace: TracedPacket;
  /** A line each. */
  events: GatewayEvent;
  top: WatchStatus;
  image_keygen: OfImage<{ ok: true; private: string; public: string; key: string }>;
  image_build: OfImage<WrittenFile & { octets: number }>;
  image_sign: OfImage<WrittenFile & { key: string }>;
  image_info: OfImage<ImageInfo | SetInfo>;
  image_verify: OfImage<({ ok: true } & ImageInfo) | ({ ok: true } & SetInfo)>;
  image_list: OfImage<FlashStatus>;
  image_test: OfImage<FlashResult>;
  image_confirm: OfImage<{ confirmed: number[] }>;
  image_revert: OfImage<{ reverted: number[] }>;
  flash: OfImage<FlashResult>;
}
