/**
 * Commands whose outcome comes later: the IKE board answers at once that it has begun, and tells by events how it ended.
 * Here an operator waits for that end. Works on both drives: waiting runs the drive.
 */
import type { Gateway, GatewayEvent } from "./gateway.ts";
import { CommandError } from "./command_error.ts";
import { notifyName } from "./notify_name.ts";

/** The children that a name stands for: itself, or all of the connection of that name. */
async function childrenOf(gateway: Gateway, name: string): Promise<{ children: string[]; connection: string }> {
  const connections = await gateway.connections();
  const holder = connections.find(({ children }) => children.includes(name));
  if (holder) return { children: [name], connection: holder.name };
  const connection = connections.find((candidate) => candidate.name === name);
  const shunts = connections.flatMap((candidate) => candidate.shunts ?? []);
  if (connection ? connection.children.length === 0 && connection.shunts : shunts.includes(name))
    throw new CommandError(`'${name}': a policy without an SA, there is nothing to negotiate`);
  if (!connection) throw new CommandError(`'${name}': no such connection or child`);
  return { children: connection.children, connection: name };
}

async function installed(gateway: Gateway): Promise<Set<string>> {
  const sas = await gateway.sas();
  return new Set(sas.flatMap((ike) => ike["child-sas"].filter((c) => c.state === "INSTALLED").map((c) => c.name)));
}

/** What an alert says, for people. */
const reasonOf = (event: GatewayEvent): string =>
  `${"text" in event && event.text ? event.text : "the attempt failed"}` +
  `${"notify" in event && event.notify ? ` (${notifyName(event.notify)})` : ""}`;

/** Collects the events of a connection from before a command on, so that a quick outcome is not missed. */
async function awaitOutcome(
  gateway: Gateway,
  connection: string,
  begin: () => Promise<void>,
  done: (events: readonly GatewayEvent[]) => boolean,
  milliseconds: number,
  subject: string,
): Promise<void> {
  const events: GatewayEvent[] = [];
  const unsubscribe = gateway.onEvent((event) => {
    if ("connection" in event && event.connection === connection) events.push(event);
  });
  const alert = (): GatewayEvent | undefined => events.find(({ kind }) => kind === "alert");
  try {
    await begin();
    await gateway.chassis.until(() => done(events) || alert() !== undefined, milliseconds);
  } finally {
    unsubscribe();
  }
  if (done(events)) return;
  const failure = alert();
  if (failure) throw new CommandError(`'${subject}': ${reasonOf(failure)}`);
  throw new CommandError(`'${subject}': no outcome within ${milliseconds / 1000} s`);
}

/** Initiates a child, or all children of a connection; resolves when they are installed. Throws CommandError otherwise. */
export async function initiateAndWait(
  gateway: Gateway,
  name: string,
  milliseconds: number,
): Promise<{ installed: string[] }> {
  const { children, connection } = await childrenOf(gateway, name);
  let before = new Set<string>();
  const isUp = (events: readonly GatewayEvent[], child: string): boolean =>
    before.has(child) ||
    events.some((event) => event.kind === "child-updown" && "child" in event && event.child === child && event.up);
  const begin = async (): Promise<void> => {
    before = await installed(gateway);
    if (!children.every((child) => before.has(child))) await gateway.initiate(name);
  };
  const done = (events: readonly GatewayEvent[]): boolean => children.every((child) => isUp(events, child));
  await awaitOutcome(gateway, connection, begin, done, milliseconds, name);
  return { installed: children };
}

/** Initiates the IKE_SA of a connection alone; resolves when it is established. Throws CommandError otherwise. */
export async function initiateIkeAndWait(
  gateway: Gateway,
  name: string,
  milliseconds: number,
): Promise<{ established: string }> {
  const established = async (): Promise<boolean> =>
    (await gateway.sas()).some((ike) => ike.name === name && ike.state === "ESTABLISHED");
  if (await established()) return { established: name };
  const done = (events: readonly GatewayEvent[]): boolean =>
    events.some((event) => event.kind === "ike-updown" && "up" in event && event.up === true);
  await awaitOutcome(gateway, name, () => gateway.initiateIke(name), done, milliseconds, name);
  return { established: name };
}

/** Rekeys a child's SA, or a connection's IKE_SA; resolves when the new one has taken over. Throws CommandError otherwise. */
export async function rekeyAndWait(gateway: Gateway, name: string, milliseconds: number): Promise<{ rekeyed: string }> {
  const { children, connection } = await childrenOf(gateway, name);
  const isChild = children.length === 1 && children[0] === name;
  const done = (events: readonly GatewayEvent[]): boolean =>
    events.some((event) =>
      isChild
        ? event.kind === "child-rekey" && "child" in event && event.child === name
        : event.kind === "ike-rekey" && "connection" in event && event.connection === name,
    );
  await awaitOutcome(gateway, connection, () => gateway.rekey(name), done, milliseconds, name);
  return { rekeyed: name };
}
