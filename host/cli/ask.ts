/** Asks the gateway on behalf of a command; what takes long is told meanwhile (progress.ts), with what the gateway says of it. */
import { follow, request } from "../operator/control_client.ts";
import type { GatewayEvent } from "../operator/gateway.ts";
import { meanwhile, showsProgress } from "./progress.ts";
import { renderEvent } from "./render.ts";
import { socketPath } from "./socket_path.ts";
import { harmlessDeep } from "./terminal.ts";

/** What happens on the way of a command: boards that drain and boot, images under test, SAs that come, go and move. */
const TELLING: ReadonlySet<string> = new Set([
  "slot",
  "flash",
  "image-test",
  "image-revert",
  "initiate",
  "rekey",
  "terminate",
  "reload",
]);

interface AskOptions {
  json?: boolean;
  socket?: string;
}

/** Throws UnreachableError or RefusedError. `what` names the work to whoever waits. */
export async function ask(options: AskOptions, command: string, args: object = {}, what = command): Promise<unknown> {
  const path = socketPath(options.socket);
  return meanwhile(options, what, async (say) => {
    const answered = new AbortController();
    if (showsProgress(options) && TELLING.has(command))
      // Whoever does not let events be followed may still answer.
      follow(path, (told) => say(renderEvent(harmlessDeep(told as GatewayEvent))), { signal: answered.signal }).catch(
        () => undefined,
      );
    try {
      return await request(path, command, args);
    } finally {
      answered.abort();
    }
  });
}
