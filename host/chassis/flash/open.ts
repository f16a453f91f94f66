/** An image file, opened for a chassis: sound, signed, and compiled by this engine. */
import { type ImageFile, parseImageFile } from "../../image/image_file.ts";
import { ImageRefused } from "../../image/refusal.ts";
import { checkSignature, type PublicKey } from "../../image/signature.ts";
import { type Image, ImageError, parseImage } from "../image.ts";

export interface OpenedImage {
  file: ImageFile;
  image: Image;
}

/** A sound image that `trusted` have signed. Throws ImageRefused. */
export function openImage(octets: Uint8Array, trusted: readonly PublicKey[]): OpenedImage {
  const file = parseImageFile(octets);
  checkSignature(file.container, trusted);
  // The engine wants octets of an ArrayBuffer of their own.
  const payload = new Uint8Array(file.payload);
  if (!WebAssembly.validate(payload))
    throw new ImageRefused("engine_refuses", `this engine cannot run its build, ${file.facts.build}`);
  try {
    return { file, image: parseImage(payload, `${file.facts.name}.${file.facts.build}`) };
  } catch (error) {
    if (error instanceof ImageError) throw new ImageRefused("not_a_board", error.message);
    throw error;
  }
}
