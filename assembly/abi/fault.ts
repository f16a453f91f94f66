/**
 * The fault record: what a board leaves behind when it traps.
 *
 * An abort (assertion, explicit throw) fills it before the trap. Other traps (unreachable, out of bounds, division by
 * zero) cannot; for them the chassis maps the engine's code offset through the image's source map.
 * Text is ASCII, cut to its field.
 */
export const FAULT_NONE: u32 = 0;
export const FAULT_ABORT: u32 = 1;

export const FAULT_KIND: u32 = 0;
export const FAULT_LINE: u32 = 4;
export const FAULT_COLUMN: u32 = 8;
export const FAULT_FILE_LENGTH: u32 = 12;
export const FAULT_FILE: u32 = 16;
export const FAULT_FILE_MAX: u32 = 112;
export const FAULT_MESSAGE_LENGTH: u32 = 128;
export const FAULT_MESSAGE: u32 = 132;
export const FAULT_MESSAGE_MAX: u32 = 124;
export const FAULT_OCTETS: u32 = 256;
