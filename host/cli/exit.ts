/** Exit codes of the `cardcage` command: stable, scripts rely on them. */

/** Done. */
export const EXIT_OK = 0;
/** The operation failed: a refused negotiation, a NIC that cannot be opened, a module that is no board. */
export const EXIT_FAILED = 1;
/** The command line or the configuration is wrong; nothing was begun. */
export const EXIT_USAGE = 2;
/** No gateway answers at the control socket. */
export const EXIT_UNREACHABLE = 3;
