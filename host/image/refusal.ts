/**
 * Why an image, a set of images or a slot's flash is refused: one closed vocabulary, for people, scripts and tests.
 */
export const REFUSALS = {
  too_large: "larger than any image may be",
  truncated: "it ends too early",
  trailing_octets: "octets stand behind its end",
  bad_magic: "it is no such file",
  bad_header: "its header is malformed",
  bad_tlv: "a TLV is malformed, missing, doubled or out of order",
  bad_set: "its list of images is malformed",
  digest_mismatch: "its SHA-256 is not that of its contents",
  unsigned: "nobody has signed it",
  unknown_key: "it is signed with a key that is not trusted here",
  bad_signature: "its signature does not verify",
  manifest_mismatch: "what it says of its payload is not what the payload says",
  not_a_board: "its payload is no board",
  engine_refuses: "this engine cannot run its build",
  no_slot: "the chassis has no such slot",
  wrong_class: "it is for boards of another class",
  abi_range: "it is for another board ABI",
  ram_need: "it needs more RAM than the slot has",
  security_counter: "its security counter is older than what was confirmed",
  dependency_unmet: "it wants another board at another version",
  set_mismatch: "a file is not the one that the set names",
  no_image: "there is no image",
  not_flashed: "the bank does not hold what was flashed into it",
  record_damaged: "both copies of the boot record are damaged",
  bank_in_use: "the bank holds what boots",
  test_running: "a test of images is under way",
  no_test: "no test of images is under way",
} as const;

export type Refusal = keyof typeof REFUSALS;

/** An image, a set or an operation on flash that is refused by name. */
export class ImageRefused extends Error {
  override name = "ImageRefused";
  readonly reason: Refusal;

  /** `detail`: what exactly; the vocabulary's own words when it is left out. */
  constructor(reason: Refusal, detail?: string) {
    super(`${reason}: ${detail ?? REFUSALS[reason]}`);
    this.reason = reason;
  }
}
