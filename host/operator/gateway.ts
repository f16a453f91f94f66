/**
 * A gateway: a chassis with its secure element and its connections, and what an operator asks of it.
 *
 * The chassis knows no IPsec; here its management messages get their meaning. Works on both drives: a command runs the
 * drive until the answer is there, so in lockstep it is the caller's clock that moves.
 */
import { EXPLAIN_PACKET, EXPLAIN_SIDE, MANAGEMENT_EXPLAIN } from "../../assembly/abi/explain.ts";
import {
  CHILD_NAME,
  CONNECTION_NAME,
  CONNECTION_REMOTE_ADDRESS,
  INITIATE_IKE,
  LOOKUP_ATTEMPT,
  MANAGEMENT_ADDRESSES,
  MANAGEMENT_CONNECTION_UNLOAD,
  MANAGEMENT_INITIATE,
  MANAGEMENT_KEYS_FOLLOW,
  MANAGEMENT_KEYS_LEAVE,
  MANAGEMENT_LIST_BOARDS,
  MANAGEMENT_LIST_CONNECTIONS,
  MANAGEMENT_LIST_POLICIES,
  MANAGEMENT_LIST_POOLS,
  MANAGEMENT_LIST_SAS,
  MANAGEMENT_REDIRECT,
  MANAGEMENT_REKEY,
  MANAGEMENT_TERMINATE,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_OK,
  RESULT_RESTORING,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
} from "../../assembly/abi/management.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { Chassis, type ChassisOptions, type ChassisStatus, type SlotStatus } from "../chassis/chassis.ts";
import { addressOctets, type ConfigItem } from "../chassis/config.ts";
import type { ImageEvent } from "../chassis/firmware.ts";
import type { BoardEvent } from "../chassis/supervisor.ts";
import type { PublicKey } from "../image/signature.ts";
import type { Nic, Side } from "../nic/nic.ts";
import type { Credentials } from "../secure_element/credential_store.ts";
import type { IkeSecret } from "../secure_element/psk_store.ts";
import { SecureElement } from "../secure_element/secure_element.ts";
import { ThreadedElement } from "../secure_element/threaded_element.ts";
import { CommandError } from "./command_error.ts";
import { explainPacket, type PacketExplanation } from "./explain.ts";
import type { Explanation } from "./explanation.ts";
import {
  type ConnectionStatus,
  decodeMessage,
  encodeMessage,
  type IkeKeys,
  type ManagementEvent,
  type ManagementMessage,
  type PlacedBoard,
  type SaStatus,
  textValue,
  withTransaction,
} from "./management.ts";
import { lookUp, type Resolve, systemResolve } from "./name_lookup.ts";
import { mergePolicies, type PolicyStatus } from "./policies.ts";
import { mergePools, type PoolStatus } from "./pools.ts";
import { redirectItems } from "./redirect.ts";
import type { Difference } from "./reload.ts";
import { type ConnectionSas, mergeSas } from "./sas.ts";

/** The chassis, and of each IPsec board what the IKE board knows of it. */
export interface BoardsStatus extends ChassisStatus {
  slots: (SlotStatus & Partial<PlacedBoard>)[];
}

export interface ConnectionPlan {
  name: string;
  /** A whole MANAGEMENT_CONNECTION_LOAD message. */
  load: Uint8Array;
  /** remote_addrs, where there are names among them. */
  names?: readonly string[];
}

/** A pool of virtual IPs. */
export interface PoolPlan {
  name: string;
  /** A whole MANAGEMENT_POOL_LOAD message. */
  load: Uint8Array;
}

export interface GatewayOptions extends Omit<ChassisOptions, "secureElement"> {
  connections: readonly ConnectionPlan[];
  pools?: readonly PoolPlan[];
  secrets: readonly IkeSecret[];
  /** The secret of RFC 6290's tokens; default: another one every time. */
  tokenSecret?: Uint8Array;
  /** Private keys, certificates and whom to trust. None: shared keys alone. */
  credentials?: Credentials;
  /** Looks names of peers up. Default: the system's resolver. */
  resolve?: Resolve;
  /** Whose firmware images are taken. Default: nobody's. */
  imageKeys?: readonly PublicKey[];
}

/** Of a configuration, what a gateway that runs takes over from it. */
export type Reloaded = Pick<GatewayOptions, "connections" | "pools" | "secrets" | "credentials">;

/** vici's event names, and the boards' own. */
export type GatewayEvent =
  | ManagementEvent
  | { kind: "board-updown"; slot: number; generation: number; up: boolean; text?: string }
  | { kind: "board-trap"; slot: number; generation: number; text: string }
  | { kind: "alert"; slot: number; severity: "minor" | "major"; alarm: string; raised: boolean; text: string }
  | ({ kind: "image-state" } & ImageEvent);

const RESULTS: Record<number, string> = {
  [RESULT_NOT_FOUND]: "no such connection or child",
  [RESULT_MALFORMED]: "the board could not read the command",
  [RESULT_TABLE_FULL]: "the board's table is full",
  [RESULT_UNSUPPORTED]: "the board does not know this command",
  [RESULT_RESTORING]: "the IKE board is taking its SAs back: try again in a moment",
};

/** Patience with a board, ms on the drive's clock. */
const COMMAND_PATIENCE = 5000;
/** The same where only more would be told with its answer. */
const BOARDS_PATIENCE = 1000;
/** What a shutdown waits for the peers to answer the DELETEs. */
const SHUTDOWN_PATIENCE = 5000;

/** Addresses of a connection that the IKE board's table holds. */
const ADDRESSES_MAX = 4;

/** What a board said of a packet, in however many messages. */
function explanationIn(messages: readonly ManagementMessage[]): Explanation {
  const parts = messages.flatMap((message) => (message.kind === "explanation" ? [message.explanation] : []));
  return Object.assign({}, ...parts, { flows: parts.flatMap(({ flows }) => flows) }) as Explanation;
}

interface Pending {
  messages: ManagementMessage[];
  result: number | undefined;
  /** Called when the REPLY is there. */
  answered?: () => void;
}

/** Of MANAGEMENT_EXPLAIN. */
const question = (packet: Uint8Array, from: Side): ConfigItem[] => [
  { type: EXPLAIN_SIDE, value: from === "unprotected" ? PORT_UNPROTECTED : PORT_PROTECTED },
  { type: EXPLAIN_PACKET, value: packet },
];

export class Gateway {
  readonly chassis: Chassis;
  #connections: readonly ConnectionPlan[];
  #pools: readonly PoolPlan[];
  readonly #resolve: Resolve;
  readonly #secureElement: SecureElement | ThreadedElement;
  readonly #events = new Set<(event: GatewayEvent) => void>();
  /** By slot and transaction. */
  readonly #pending = new Map<string, Pending>();
  readonly #keyFollowers = new Set<(keys: IkeKeys) => void>();
  #nextTransaction = 1;
  #loaded = false;
  #closed = false;
  /** Management messages that did not add up. */
  malformed = 0;
  /** Whose firmware images are taken. */
  readonly imageKeys: readonly PublicKey[];

  constructor(options: GatewayOptions) {
    const { connections, pools = [], secrets, tokenSecret, credentials, resolve = systemResolve, ...more } = options;
    const { imageKeys = [], ...chassis } = more;
    this.imageKeys = imageKeys;
    this.#connections = connections;
    this.#pools = pools;
    this.#resolve = resolve;
    // In lockstep one thread does everything, so that a story is the same every time.
    this.#secureElement = options.drive.kind === "threaded" ? new ThreadedElement() : new SecureElement();
    this.#secureElement.loadSecrets(secrets);
    if (tokenSecret) this.#secureElement.loadTokenSecret(tokenSecret);
    if (credentials) this.#secureElement.loadCredentials(credentials);
    this.chassis = new Chassis({ ...chassis, secureElement: this.#secureElement });
    this.chassis.onBoard((event) => this.#onBoard(event));
    this.chassis.onImage((event) => this.#tell({ kind: "image-state", ...event }));
    for (const { slot } of this.chassis.show().slots) {
      this.chassis.management(slot).onMessage((message) => this.#onMessage(slot, message));
    }
  }

  /**
   * Powers the boards on and loads the connections. Throws when the IKE board or all IPsec boards fail; but for those in shelves, which are
   * looked for until they are there, and for a chassis that has none, of a board that does both.
   */
  async start(): Promise<void> {
    await this.chassis.powerOn();
    const slots = this.chassis.show().slots;
    const ike = slots.find(({ slot }) => slot === this.chassis.ikeSlot);
    if (ike?.state !== "Online")
      throw new CommandError(`the IKE board does not come up: ${ike?.reason ?? "not fitted"}`);
    const ready = slots.some(({ slot, state }) => slot !== this.chassis.ikeSlot && state === "Online");
    if (!ready && slots.length > 1 && !this.chassis.hasShelves) {
      throw new CommandError(
        `no IPsec board comes up: ${slots.map(({ slot, reason }) => `slot ${slot}: ${reason}`).join(", ")}`,
      );
    }
    await this.#loadConnections();
    this.#loaded = true;
  }

  attach(nic: Nic): void {
    this.chassis.attach(nic);
  }

  /** Returns an unsubscriber. */
  onEvent(callback: (event: GatewayEvent) => void): () => void {
    this.#events.add(callback);
    return () => this.#events.delete(callback);
  }

  /** Tells everybody who follows events. */
  announce(text: string): void {
    this.#tell({ kind: "alert", text });
  }

  /**
   * Calls back for the keys of every IKE_SA that stands, and of each whose keys are made from now on, until what it returns is called. They
   * are wiped behind the callbacks. Nothing comes where the configuration does not let keys leave the chassis (key_export).
   */
  ikeKeys(take: (keys: IkeKeys) => void): () => void {
    if (!this.chassis.keysAllowed) return () => undefined;
    this.#keyFollowers.add(take);
    this.#followKeys();
    return () => {
      if (!this.#keyFollowers.delete(take) || this.#keyFollowers.size > 0) return;
      this.chassis.management(this.chassis.ikeSlot).send(encodeMessage(MANAGEMENT_KEYS_LEAVE, 0));
    };
  }

  #followKeys(): void {
    if (this.#keyFollowers.size === 0) return;
    this.chassis.management(this.chassis.ikeSlot).send(encodeMessage(MANAGEMENT_KEYS_FOLLOW, 0));
  }

  /** All IKE_SAs with their CHILD_SAs, where they are placed and what their boards count; configured ones that are down too. */
  async sas(): Promise<ConnectionSas[]> {
    const ike = await this.#list(this.chassis.ikeSlot, MANAGEMENT_LIST_SAS);
    return mergeSas(ike, await this.#counted(), await this.connections(), this.chassis.drive.clock.now());
  }

  /** What the IPsec boards count of their SAs. */
  async #counted(): Promise<{ slot: number; sa: SaStatus }[]> {
    const counted: { slot: number; sa: SaStatus }[] = [];
    for (const { slot, state } of this.chassis.show().slots) {
      if (slot === this.chassis.ikeSlot || state !== "Online") continue;
      for (const message of await this.#listIfItAnswers(slot, MANAGEMENT_LIST_SAS)) {
        if (message.kind === "sa") counted.push({ slot, sa: message.sa });
      }
    }
    return counted;
  }

  /** The chassis with what the IKE board knows of its IPsec boards, those that are online. */
  async boards(): Promise<BoardsStatus> {
    const status = this.chassis.show();
    const ike = status.slots.find(({ slot }) => slot === status.ikeSlot);
    if (ike?.state !== "Online") return status;
    const boards = await this.#placed(status.ikeSlot);
    const slots = status.slots.map((slot) => ({
      ...slot,
      ...boards.find((board) => board.slot === slot.slot && board.generation === slot.generation),
    }));
    return { ...status, slots };
  }

  /** Nothing when the IKE board does not answer: what the chassis itself sees is to be seen all the same. */
  async #placed(ikeSlot: number): Promise<PlacedBoard[]> {
    try {
      const { messages } = await this.#command(ikeSlot, MANAGEMENT_LIST_BOARDS, [], BOARDS_PATIENCE);
      return messages.flatMap((message) => (message.kind === "boards" ? message.boards : []));
    } catch (error) {
      if (error instanceof CommandError) return [];
      throw error;
    }
  }

  /** What is configured, with the reason of the last failure. */
  async connections(): Promise<ConnectionStatus[]> {
    const messages = await this.#list(this.chassis.ikeSlot, MANAGEMENT_LIST_CONNECTIONS);
    return messages.flatMap((message) => (message.kind === "connection" ? [message.connection] : []));
  }

  /** The SPD in its order. */
  async policies(): Promise<PolicyStatus[]> {
    const rows = await this.#list(this.chassis.ikeSlot, MANAGEMENT_LIST_POLICIES);
    return mergePolicies(rows, await this.#counted());
  }

  /** The pools of virtual IPs and who has an address of them. */
  async pools(): Promise<PoolStatus[]> {
    const messages = await this.#list(this.chassis.ikeSlot, MANAGEMENT_LIST_POOLS);
    return mergePools(messages);
  }

  /** What would become of a packet that arrives on a side. Nothing changes by asking. */
  explain(packet: Uint8Array, from: Side): Promise<PacketExplanation> {
    return this.#explain(
      packet,
      from,
      async (slot) => (await this.#command(slot, MANAGEMENT_EXPLAIN, question(packet, from))).messages,
    );
  }

  /**
   * The same of a packet that is about to be given to the boards: all of them are asked at once, and take the question before the packet.
   * Never waits for the drive, so that it can be called from within it.
   */
  explainArriving(packet: Uint8Array, from: Side): Promise<PacketExplanation> {
    const message = encodeMessage(MANAGEMENT_EXPLAIN, 0, question(packet, from));
    const online = this.chassis.show().slots.filter(({ state }) => state === "Online");
    const answers = new Map(online.map(({ slot }) => [slot, this.#ask(slot, message)]));
    // Most boards have nothing to do with the packet, and nobody looks at their answer.
    for (const answer of answers.values()) answer.catch(() => undefined);
    return this.#explain(packet, from, (slot) => answers.get(slot) ?? Promise.reject(new CommandError(`slot ${slot}`)));
  }

  async #explain(
    packet: Uint8Array,
    from: Side,
    ask: (slot: number) => Promise<ManagementMessage[]>,
  ): Promise<PacketExplanation> {
    const ikeSlot = this.chassis.ikeSlot;
    const answers = await ask(ikeSlot);
    const ike = explanationIn(answers);
    const child = answers.find((message) => message.kind === "child-sa");
    const { slots, links } = this.chassis.show();
    const classified = this.chassis.classified(from, packet);
    let ipsec: Explanation | "offline" | undefined;
    if (ike.verdict === "board") {
      const online = slots.some(({ slot, state }) => slot === ike.slot && state === "Online");
      ipsec = online ? explanationIn(await ask(ike.slot!)) : "offline";
    }
    return explainPacket({
      from,
      octets: packet.length,
      ikeSlot,
      via: (slot) => links.find((entry) => entry.slot === slot)?.name ?? "",
      ike,
      ...(child ? { child: child.childSa } : {}),
      ...(classified === undefined ? {} : { classified }),
      ...(ipsec ? { ipsec } : {}),
    });
  }

  /** Sends a command and gives what came until its REPLY; throws when it is refused, or none comes in time. */
  async #ask(slot: number, message: Uint8Array): Promise<ManagementMessage[]> {
    const pending: Pending = { messages: [], result: undefined };
    const [key, transaction] = this.#begin(slot, pending);
    let over: () => void = () => undefined;
    try {
      const answered = new Promise<void>((resolve) => {
        pending.answered = resolve;
        over = this.chassis.drive.after(BigInt(COMMAND_PATIENCE) * 1_000_000n, resolve);
      });
      if (!this.chassis.management(slot).send(withTransaction(message, transaction)))
        throw new CommandError(`slot ${slot} does not take commands`);
      await answered;
    } finally {
      over();
      this.#pending.delete(key);
    }
    if (pending.result !== RESULT_OK) throw this.#error(`slot ${slot}`, pending.result);
    return pending.messages;
  }

  /**
   * Takes another configuration over, of which `difference` is what changes (reload.ts): connections that are not named there are not
   * touched. Throws CommandError when the IKE board does not take a part of it; the parts
   * before it are in force then.
   */
  async reload(
    { connections, pools = [], secrets, credentials }: Reloaded,
    { connections: change, poolsAdded, secretsChanged, credentialsChanged }: Difference,
  ): Promise<void> {
    if (secretsChanged) this.#secureElement.loadSecrets(secrets);
    if (credentialsChanged && credentials) this.#secureElement.loadCredentials(credentials);
    for (const name of change.removed) {
      await this.#unload(name);
      this.#connections = this.#connections.filter((connection) => connection.name !== name);
    }
    for (const pool of pools) {
      if (!poolsAdded.includes(pool.name)) continue;
      await this.#load(`pool '${pool.name}'`, pool.load);
      this.#pools = [...this.#pools, pool];
    }
    const loads = new Set([...change.added, ...change.changed.map(({ name }) => name)]);
    for (const connection of connections) {
      if (!loads.has(connection.name)) continue;
      await this.#load(`connection '${connection.name}'`, connection.load);
      this.#connections = [...this.#connections.filter(({ name }) => name !== connection.name), connection];
    }
  }

  /** Deletes the SAs of a connection at the peer, as far as that answers, and forgets the connection. */
  async #unload(name: string): Promise<void> {
    const items = [{ type: CONNECTION_NAME, value: textValue(name) }];
    await this.#send(this.chassis.ikeSlot, encodeMessage(MANAGEMENT_TERMINATE, 0, items), SHUTDOWN_PATIENCE);
    const unload = encodeMessage(MANAGEMENT_CONNECTION_UNLOAD, 0, items);
    const { result } = await this.#send(this.chassis.ikeSlot, unload, COMMAND_PATIENCE);
    // It is forgotten already when a reload before this one was not taken as a whole.
    if (result !== RESULT_OK && result !== RESULT_NOT_FOUND) throw this.#error(`'${name}'`, result);
  }

  /** Starts negotiating a child, or all children of a connection. The outcome is told by events. */
  initiate(name: string): Promise<void> {
    return this.#named(MANAGEMENT_INITIATE, name);
  }

  /** Starts negotiating a connection's IKE_SA alone, without a CHILD_SA (RFC 6023). */
  async initiateIke(connection: string): Promise<void> {
    const items = [
      { type: CONNECTION_NAME, value: textValue(connection) },
      { type: INITIATE_IKE, value: 1 },
    ];
    await this.#command(this.chassis.ikeSlot, MANAGEMENT_INITIATE, items, COMMAND_PATIENCE, connection);
  }

  /** Deletes the SAs of a connection or child at both ends; returns when the peers have answered or were given up. */
  terminate(name?: string): Promise<void> {
    return name === undefined
      ? this.#command(this.chassis.ikeSlot, MANAGEMENT_TERMINATE, [], SHUTDOWN_PATIENCE).then(() => undefined)
      : this.#named(MANAGEMENT_TERMINATE, name, SHUTDOWN_PATIENCE);
  }

  /** Sends peers to another gateway (RFC 5685): those of a connection, one IKE_SA, those at an address or of an identity. */
  async redirect(target: string, gateway: string): Promise<void> {
    const items = redirectItems(target, gateway, await this.connections());
    const answer = await this.#send(
      this.chassis.ikeSlot,
      encodeMessage(MANAGEMENT_REDIRECT, 0, items),
      COMMAND_PATIENCE,
    );
    if (answer.result === RESULT_OK) return;
    if (answer.result === RESULT_NOT_FOUND) throw new CommandError(`'${target}': no IKE_SA`, answer.result);
    if (answer.result === RESULT_UNSUPPORTED)
      throw new CommandError(`'${target}': the peer cannot be redirected`, answer.result);
    throw this.#error(`'${target}'`, answer.result);
  }

  rekey(name: string): Promise<void> {
    return this.#named(MANAGEMENT_REKEY, name);
  }

  /** Deletes all SAs at the peers, then powers off. */
  async shutdown(): Promise<void> {
    this.#loaded = false;
    try {
      await this.terminate();
    } catch (error) {
      // A peer that is gone, or an IKE board that is: the power goes off all the same.
      if (!(error instanceof CommandError)) throw error;
    }
    await this.close();
  }

  /** Powers off at once; peers are not told. */
  async close(): Promise<void> {
    this.#loaded = false;
    this.#closed = true;
    await this.chassis.close();
    await this.#secureElement.close();
  }

  async #loadConnections(): Promise<void> {
    for (const { name, load } of this.#pools) await this.#load(`pool '${name}'`, load);
    for (const { name, load } of this.#connections) await this.#load(`connection '${name}'`, load);
  }

  /** Tells the IKE board of a pool or connection. Throws CommandError when it is not taken. */
  async #load(what: string, load: Uint8Array): Promise<void> {
    const { result } = await this.#send(this.chassis.ikeSlot, load, COMMAND_PATIENCE);
    if (result !== RESULT_OK) throw this.#error(`${what} is not accepted`, result);
  }

  /** A name is a child's or a connection's: the child comes first. */
  async #named(type: number, name: string, patience = COMMAND_PATIENCE): Promise<void> {
    const ike = this.chassis.ikeSlot;
    const asChild = await this.#send(
      ike,
      encodeMessage(type, 0, [{ type: CHILD_NAME, value: textValue(name) }]),
      patience,
    );
    if (asChild.result === RESULT_OK) return;
    const nothing = `'${name}': a policy without an SA, there is nothing to negotiate`;
    if (asChild.result === RESULT_UNSUPPORTED) throw new CommandError(nothing, asChild.result);
    if (asChild.result !== RESULT_NOT_FOUND) throw this.#error(`'${name}'`, asChild.result);
    const asConnection = encodeMessage(type, 0, [{ type: CONNECTION_NAME, value: textValue(name) }]);
    const { result } = await this.#send(ike, asConnection, patience);
    if (result === RESULT_UNSUPPORTED) throw new CommandError(nothing, result);
    if (result !== RESULT_OK) throw this.#error(`'${name}'`, result);
  }

  async #list(slot: number, type: number): Promise<ManagementMessage[]> {
    return (await this.#command(slot, type, [])).messages;
  }

  /** Nothing of a board that is silent, or gone by now: what the others say is to be seen all the same. */
  async #listIfItAnswers(slot: number, type: number): Promise<ManagementMessage[]> {
    try {
      return await this.#list(slot, type);
    } catch (error) {
      if (error instanceof CommandError) return [];
      throw error;
    }
  }

  async #command(
    slot: number,
    type: number,
    items: readonly ConfigItem[],
    patience = COMMAND_PATIENCE,
    name?: string,
  ): Promise<Pending> {
    const answer = await this.#send(slot, encodeMessage(type, 0, items), patience);
    if (answer.result !== RESULT_OK)
      throw this.#error(name === undefined ? `slot ${slot}` : `'${name}'`, answer.result);
    return answer;
  }

  #error(subject: string, result: number | undefined): CommandError {
    const reason = result === undefined ? "no answer from the board" : (RESULTS[result] ?? `result ${result}`);
    return new CommandError(`${subject}: ${reason}`, result);
  }

  /** Sends a command and runs the drive until its REPLY is there, or patience is over (result undefined). */
  async #send(slot: number, message: Uint8Array, patience: number): Promise<Pending> {
    const pending: Pending = { messages: [], result: undefined };
    const [key, transaction] = this.#begin(slot, pending);
    try {
      if (!this.chassis.management(slot).send(withTransaction(message, transaction))) {
        throw new CommandError(`slot ${slot} does not take commands`);
      }
      await this.chassis.until(() => pending.result !== undefined, patience);
    } finally {
      this.#pending.delete(key);
    }
    return pending;
  }

  /** A transaction of its own for a command, under which its answer is kept. */
  #begin(slot: number, pending: Pending): [key: string, transaction: number] {
    const transaction = this.#nextTransaction;
    // The upper half belongs to the chassis's own commands.
    this.#nextTransaction = (transaction % 0x7fff_ffff) + 1;
    const key = `${slot}/${transaction}`;
    this.#pending.set(key, pending);
    return [key, transaction];
  }

  #onMessage(slot: number, octets: Uint8Array): void {
    let message: ManagementMessage;
    try {
      message = decodeMessage(octets);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.malformed += 1;
      return;
    }
    if (message.kind === "event") {
      this.#tell(message.event);
      return;
    }
    if (message.kind === "ike-keys") {
      for (const take of this.#keyFollowers) take(message.keys);
      const { ei, er, ai, ar } = message.keys;
      for (const key of [octets, ei, er, ai, ar]) key.fill(0);
      return;
    }
    if (message.kind === "lookup") {
      void this.#lookUp(slot, message.connection, message.attempt);
      return;
    }
    const pending = this.#pending.get(`${slot}/${message.transaction}`);
    if (!pending) return;
    if (message.kind === "reply") {
      pending.result = message.result;
      pending.answered?.();
    } else {
      pending.messages.push(message);
    }
  }

  /** The IKE board wants the addresses of a peer's names; it waits for as long as it thinks right. */
  async #lookUp(slot: number, connection: string, attempt: number): Promise<void> {
    const names = this.#connections.find(({ name }) => name === connection)?.names ?? [];
    const { addresses, failures } = await lookUp(names, this.#resolve);
    if (this.#closed) return;
    for (const text of failures) this.#tell({ kind: "alert", connection, text });
    const items: ConfigItem[] = [
      { type: CONNECTION_NAME, value: textValue(connection) },
      { type: LOOKUP_ATTEMPT, value: attempt },
      ...addresses.slice(0, ADDRESSES_MAX).map((address) => ({
        type: CONNECTION_REMOTE_ADDRESS,
        value: addressOctets(address),
      })),
    ];
    this.chassis.management(slot).send(encodeMessage(MANAGEMENT_ADDRESSES, 0, items));
  }

  #onBoard(event: BoardEvent): void {
    const { slot, generation } = event;
    if (event.kind === "trap") {
      const { fault } = event;
      this.#tell({
        kind: "board-trap",
        slot,
        generation,
        text: `${fault.file ?? "?"}:${fault.line ?? 0}: ${fault.message}`,
      });
      return;
    }
    if (event.kind === "alarm") {
      const { name, severity, text } = event.alarm;
      this.#tell({ kind: "alert", slot, severity, alarm: name, raised: event.raised, text });
      return;
    }
    const reason = event.kind === "down" ? { text: event.reason } : {};
    this.#tell({ kind: "board-updown", slot, generation, up: event.kind === "up", ...reason });
    // A new generation of the IKE board knows nobody who follows keys, and no connections.
    if (event.kind === "up" && slot === this.chassis.ikeSlot) this.#followKeys();
    if (event.kind === "up" && slot === this.chassis.ikeSlot && this.#loaded) {
      for (const { load } of [...this.#pools, ...this.#connections]) this.chassis.tell(slot, load);
    }
  }

  #tell(event: GatewayEvent): void {
    for (const callback of this.#events) callback(event);
  }
}
