/** Where the control socket is: --socket, else CARDCAGE_SOCKET, else the runtime directory of root or of the user. */
import { join } from "node:path";

const NAME = "cardcage.sock";

export function socketPath(option: string | undefined): string {
  if (option) return option;
  const { CARDCAGE_SOCKET: named, XDG_RUNTIME_DIR: runtime } = process.env;
  if (named) return named;
  return runtime && process.getuid?.() !== 0 ? join(runtime, NAME) : join("/run", NAME);
}
