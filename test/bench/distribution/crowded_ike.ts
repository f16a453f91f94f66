/**
 * An IKE board whose links are made in its RAM at once (test/entries/crowded_ike.ts), as if so many CHILD_SAs had been negotiated. SA n is on
 * the IPsec board n modulo their number, and leads to OUTSIDE + n; its inbound SPI is SPI_IN + n.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BOARD_CLASS_IKE, MAP_CONFIG } from "../../../assembly/abi/board.ts";
import * as CONFIG from "../../../assembly/abi/config.ts";
import { buildEntry } from "../../../host/build/build.ts";
import { Board } from "../../../host/chassis/board.ts";
import { encodeItems } from "../../../host/chassis/config.ts";
import { type Image, PAGE_OCTETS, parseImage } from "../../../host/chassis/image.ts";
import { be, LOCAL } from "../../host/ipsec_bench.ts";

export const OUTSIDE = 0x0b000000;
export const SPI_IN = 0x40000000;
const ORDER = 0x43524f57;
/** Octets of RAM of a link, and pages beside them. */
const PER_LINK = 5632;
const BESIDE_PAGES = 700;

export async function crowdedImage(): Promise<Image> {
  const path = await buildEntry("test/entries/crowded_ike.ts", "simd", { least: 416, most: 32768 });
  return parseImage(new Uint8Array(readFileSync(path)), "ike, crowded");
}

export class CrowdedIke {
  readonly board: Board;
  readonly #boards: number;
  readonly #now: bigint;
  sas = 0;

  /** `link`: LINK_*; `capacity` in CHILD_SAs; `boards`: IPsec boards that they are spread over; `now`: of the polls, ns. */
  constructor(image: Image, link: number, capacity: number, boards: number, now: bigint) {
    this.#boards = boards;
    this.#now = now;
    const items = [
      { type: CONFIG.CONFIG_LINK_KIND, value: link },
      { type: CONFIG.CONFIG_IKE_SLOT, value: 0 },
      { type: CONFIG.CONFIG_LOCAL_ADDRESS, value: be(LOCAL, 4) },
      { type: CONFIG.CONFIG_SA_CAPACITY, value: capacity },
    ];
    const power = {
      pages: BESIDE_PAGES + Math.ceil((capacity * PER_LINK) / PAGE_OCTETS),
      slot: 0,
      generation: 1,
      boardClass: BOARD_CLASS_IKE,
      config: encodeItems(items),
      entropy: new Uint8Array(64).fill(7),
      traceMask: 0,
      conservation: false,
    };
    this.board = new Board(image, power, now, 0n);
    assert.equal(this.board.refusal, 0, "the IKE board refuses service");
  }

  /** Makes the SAs up to `count`; what the board has to say of them is on its rings then. */
  grow(count: number): void {
    const { board } = this;
    const map = new DataView(board.u8.buffer, board.map.byteOffset);
    const order = new DataView(board.u8.buffer, map.getUint32(MAP_CONFIG, true));
    [ORDER, this.sas, count - this.sas, this.#boards].forEach((word, i) => order.setUint32(4 * i, word, true));
    board.poll(this.#now, 0n);
    this.sas = count;
  }
}
