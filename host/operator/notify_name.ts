/** Names of the notify messages of IKEv2 that end or refuse something (RFC 7296 section 3.10.1 and the IANA registry). */
const NAMES: Record<number, string> = {
  1: "UNSUPPORTED_CRITICAL_PAYLOAD",
  4: "INVALID_IKE_SPI",
  5: "INVALID_MAJOR_VERSION",
  7: "INVALID_SYNTAX",
  9: "INVALID_MESSAGE_ID",
  11: "INVALID_SPI",
  14: "NO_PROPOSAL_CHOSEN",
  17: "INVALID_KE_PAYLOAD",
  24: "AUTHENTICATION_FAILED",
  34: "SINGLE_PAIR_REQUIRED",
  35: "NO_ADDITIONAL_SAS",
  36: "INTERNAL_ADDRESS_FAILURE",
  37: "FAILED_CP_REQUIRED",
  38: "TS_UNACCEPTABLE",
  39: "INVALID_SELECTORS",
  43: "TEMPORARY_FAILURE",
  44: "CHILD_SA_NOT_FOUND",
};

/** `AUTHENTICATION_FAILED`; `notify 8192` where there is no name. */
export const notifyName = (notify: number): string => NAMES[notify] ?? `notify ${notify}`;
