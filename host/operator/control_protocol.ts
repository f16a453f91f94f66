/** What both ends of the control socket have to agree on; the whole is docs/control-protocol.md. */

/** Version of the protocol; a request of another one is refused. */
export const CONTROL_PROTOCOL = 1;

/** Why a request was not carried out. */
export type ErrorCode = "malformed" | "unsupported-protocol" | "unknown-command" | "bad-argument" | "failed";
