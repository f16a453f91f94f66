/**
 * Control messages that nobody sent: sealed with the key of a board's generation, and numbered as the IKE board's next one would be, which
 * is then lost as a replay. So the database of a board can be made to disagree with that of the IKE board.
 */
import { createCipheriv } from "node:crypto";
import { CONFIG_CONTROL_KEY } from "../../assembly/abi/config.ts";
import { ETHERTYPE_CONTROL } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_CHANNEL } from "../../assembly/abi/ring.ts";
import { decodeItems } from "../../host/chassis/config.ts";
import type { Cage } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";

interface Keyed {
  generation: number;
  key: Buffer;
  sequence: bigint;
}

/** The cages of the chassis on Ethernet that are made while it listens, in the order in which they are made. */
export class Forger {
  readonly #cages: { cage: Cage; boards: Map<number, Keyed> }[] = [];
  readonly #cage = Lockstep.prototype.cage;

  constructor() {
    const cages = this.#cages;
    const real = this.#cage;
    Lockstep.prototype.cage = function (this: Lockstep, ...plan: Parameters<Lockstep["cage"]>): Cage {
      const cage = real.apply(this, plan);
      const boards = new Map<number, Keyed>();
      const power = cage.power.bind(cage);
      cage.power = (slot, image, up) => {
        const key = decodeItems(up.config).find(({ type }) => type === CONFIG_CONTROL_KEY)?.value;
        if (key) boards.set(slot, { generation: up.generation, key: Buffer.from(key), sequence: 0n });
        return power(slot, image, up);
      };
      cage.tap(({ from, to, wire }) => {
        const board = from === 0 ? boards.get(to) : undefined;
        const frame = Buffer.from(wire);
        if (!board || frame.readUInt16BE(12) !== ETHERTYPE_CONTROL) return;
        if (frame.readUInt32LE(14 + M.CONTROL_GENERATION) === board.generation)
          board.sequence = frame.readBigUInt64LE(14 + M.CONTROL_SEQUENCE);
      });
      cages.push({ cage, boards });
      return cage;
    };
  }

  /** Listens no more. */
  end(): void {
    Lockstep.prototype.cage = this.#cage;
  }

  /** Sends a message of this type and body to the board in a slot of the n-th chassis, as if the IKE board had. */
  send(chassis: number, slot: number, type: number, body: Uint8Array): void {
    const { cage, boards } = this.#cages[chassis]!;
    const board = boards.get(slot)!;
    const message = Buffer.alloc(M.MESSAGE_HEADER + body.length);
    message.writeUInt16LE(type, M.MESSAGE_TYPE);
    message.writeUInt16LE(M.MESSAGE_CURRENT_VERSION, M.MESSAGE_VERSION);
    message.writeUInt32LE(0x7fff0000, M.MESSAGE_TRANSACTION);
    message.writeUInt32LE(message.length, M.MESSAGE_LENGTH);
    message.set(body, M.MESSAGE_HEADER);
    board.sequence += 1n;
    const header = Buffer.alloc(M.CONTROL_HEADER);
    header.writeUInt32LE(slot, M.CONTROL_SLOT);
    header.writeUInt32LE(board.generation, M.CONTROL_GENERATION);
    header.writeBigUInt64LE(board.sequence, M.CONTROL_SEQUENCE);
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(M.CONTROL_FROM_IKE_BOARD, 0);
    nonce.writeBigUInt64LE(board.sequence, 4);
    const cipher = createCipheriv("aes-256-gcm", board.key, nonce);
    cipher.setAAD(header);
    const ethernet = Buffer.from(`02434300000${slot}024343000000${ETHERTYPE_CONTROL.toString(16)}`, "hex");
    const sealed = Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()]);
    cage.deliver(slot, PORT_CHANNEL, Buffer.concat([ethernet, header, sealed]));
  }
}

/** SPI, direction and link, as SA_REMOVE has them. */
export function named(spi: string, direction: number, link: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt32LE(parseInt(spi, 16), 0);
  body.writeUInt32LE(direction, 4);
  body.writeUInt32LE(link, 8);
  return body;
}

/** The record of an SA with made-up keys, AES-GCM in tunnel mode between two networks that nobody else protects. */
export function foreignRecord(spi: number, direction: number, link: number): Buffer {
  const record = Buffer.alloc(M.SA_SELECTORS + 2 * M.SELECTOR_OCTETS);
  record.writeUInt32LE(link, M.SA_LINK);
  record.writeUInt32LE(spi, M.SA_SPI);
  record[M.SA_DIRECTION] = direction;
  record[M.SA_PROTOCOL] = 50;
  record[M.SA_MODE] = M.MODE_TUNNEL;
  record.writeUInt16LE(20, M.SA_ENCRYPTION);
  record.writeUInt16LE(256, M.SA_KEY_BITS);
  record.writeUInt16LE(64, M.SA_REPLAY_WINDOW);
  record[M.SA_FAMILY] = 4;
  record[M.SA_LOCAL_TS_COUNT] = 1;
  record[M.SA_REMOTE_TS_COUNT] = 1;
  record.writeUInt16LE(36, M.SA_KEYMAT_LENGTH);
  record.set([192, 0, 2, 1], M.SA_LOCAL_ADDRESS);
  record.set([192, 0, 2, 2], M.SA_REMOTE_ADDRESS);
  record.fill(spi & 255, M.SA_KEYMAT, M.SA_KEYMAT + 36);
  for (const [i, net] of [10, 20].entries()) {
    const at = M.SA_SELECTORS + i * M.SELECTOR_OCTETS;
    record[at + M.SELECTOR_FAMILY] = 4;
    record.writeUInt16LE(0xffff, at + M.SELECTOR_END_PORT);
    record.set([172, 16, net, 0], at + M.SELECTOR_START);
    record.set([172, 16, net, 255], at + M.SELECTOR_END);
  }
  return record;
}
