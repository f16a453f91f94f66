/**
 * Everything that can be said of an image before it is in a slot: form, digest, signature, and whether its payload is a board (lint.ts).
 *
 * Loads binaryen, a second's work: whoever boots does with the signature, which covers what was linted when it was flashed.
 */
import { type ImageFile, parseImageFile } from "./image_file.ts";
import { lintModule } from "./lint.ts";
import { ImageRefused } from "./refusal.ts";
import { checkSignature, type PublicKey } from "./signature.ts";

/** The payload passes the rules of the board ABI for its build. Throws ImageRefused. */
export function lintPayload({ payload, facts }: Pick<ImageFile, "payload" | "facts">): void {
  const { errors } = lintModule(payload, { build: facts.build });
  if (errors.length > 0) throw new ImageRefused("not_a_board", errors.join("; "));
}

/** Verifies an image that one of `trusted` has to have signed. Throws ImageRefused. */
export function verifyImageFile(octets: Uint8Array, trusted: readonly PublicKey[]): ImageFile & { signer: PublicKey } {
  const image = parseImageFile(octets);
  const signer = checkSignature(image.container, trusted);
  lintPayload(image);
  return { ...image, signer };
}
