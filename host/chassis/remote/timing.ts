/** How both ends of a connection to a shelf tell that the other one lives. */

/** ms between two beats on the internal path. */
export const BEAT_MS = 500;
/** The same until the first one has come. */
export const FIRST_BEAT_MS = 100;
/**
 * Beats of our own without one of the other end, after which it is given up: a chassis has other boards take over, a shelf powers the
 * board off. Counted, not timed: whoever was stopped for a while does not blame the other end.
 */
export const SILENT_BEATS = 10;
/** ms until a path that carries nothing from the beginning is given up by the chassis, which can say why: before the shelf does. */
export const FIRST_BEAT_PATIENCE_MS = 3000;
/** ms between two publications of what a board in a shelf counts. */
export const PUBLISH_MS = 250;
/** Octets that wait to be sent to the network, at most; beyond that a frame is dropped as backplane_congestion. */
export const SEND_QUEUE_MAX = 4 << 20;
/** Octets that the operating system is asked to hold for each direction of the path; it gives what it allows (net.core.rmem_max). */
export const SOCKET_BUFFER = 4 << 20;
/** Frames that are sent in one go. */
export const SEND_BATCH = 64;
