/** The port, TCP and UDP, of a shelf of which nothing else is said. */
export const SHELF_PORT = 9815;
