/** The window of RFC 7296 section 2.1-2.3: message ids, what is sent again and when, and what is answered from memory. */
import { MAP_SIZE, REG_NOW, REG_SENT } from "../../../assembly/abi/board";
import { PORT_COUNT_IKE } from "../../../assembly/abi/ring";
import { poolReset } from "../../../assembly/bus/pool";
import { portsReset } from "../../../assembly/bus/port";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { connectionsReset } from "../../../assembly/ike/connection";
import {
  IN_CHILD_KEY,
  IN_NONE,
  IkeSa,
  OUT_LIVENESS,
  OUT_NONE,
  ikeRequest,
  ikeResponse,
  ikeSaTake,
  ikeSasReset,
  ikeSuite,
} from "../../../assembly/ike/ike_sa";
import { SECOND, retransmitTries, settingsReset } from "../../../assembly/ike/settings";
import { TIMER_RETRANSMIT, timerCount, timerSa } from "../../../assembly/ike/timer";
import {
  requestAnswered,
  requestBegin,
  requestDone,
  requestRepeat,
  requestSend,
  responseBegin,
  responseRepeat,
  responseSend,
} from "../../../assembly/ike/window";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { deadlineNext, deadlineTake, deadlinesReset } from "../../../assembly/rt/deadlines";
import { map } from "../../../assembly/rt/map";
import { ikeFlags, ikeMessageId } from "../../../assembly/wire/ike_message";

const INFORMATIONAL: u32 = 37;
const ARENA: usize = 40 << 20;
const arena: usize = memory.data(40 << 20, 64);
const seed: usize = memory.data(64, 8);
const copy: usize = memory.data(4096, 8);
let sa: IkeSa = changetype<IkeSa>(0);

function sent(): u64 {
  return load<u64>(map + REG_SENT);
}

function clock(time: u64): void {
  store<u64>(map + REG_NOW, time);
}

function reset(): void {
  memory.fill(map, 0, MAP_SIZE);
  drbgSeed(seed, 64);
  arenaResetAt(arena, arena + ARENA);
  assert(settingsReset() && poolReset() && portsReset(PORT_COUNT_IKE) && connectionsReset() && ikeSasReset());
  assert(deadlinesReset(timerCount()));
  clock(100 * SECOND);
  sa = ikeSaTake(true)!;
  const suite = ikeSuite(sa);
  suite.encryption = 20;
  suite.keyBits = 128;
  suite.prf = 5;
  sa.localPort = 500;
  sa.remotePort = 500;
}

function ask(): void {
  requestSend(sa, requestBegin(sa, INFORMATIONAL), OUT_LIVENESS);
}

describe("the window", () => {
  beforeEach(reset);

  it("numbers requests from 0, one at a time", () => {
    for (let id: u32 = 0; id < 3; id++) {
      ask();
      expect(ikeMessageId(ikeRequest(sa))).toBe(id);
      expect(ikeFlags(ikeRequest(sa))).toBe(8);
      expect(sa.outStep).toBe(OUT_LIVENESS);
      requestDone(sa);
      expect(sa.outStep).toBe(OUT_NONE);
    }
  });

  it("sends the same octets again after 2 s, then 1.8 times later each time, and gives up", () => {
    const before = sent();
    ask();
    memory.copy(copy, ikeRequest(sa), sa.outLength);
    let time = 100 * SECOND;
    let delay = 2 * SECOND;
    for (let i: u32 = 1; i < retransmitTries; i++) {
      time += delay;
      expect(deadlineNext()).toBe(time);
      expect(deadlineTake(time - 1)).toBe(-1);
      expect(deadlineTake(time)).toBe(<i32>timerSa(sa.index, TIMER_RETRANSMIT));
      clock(time);
      expect(requestRepeat(sa)).toBe(true);
      expect(memory.compare(copy, ikeRequest(sa), sa.outLength)).toBe(0);
      delay = (delay * 9) / 5;
    }
    expect(sent() - before).toBe(retransmitTries);
    time += delay;
    expect(deadlineTake(time)).toBe(<i32>timerSa(sa.index, TIMER_RETRANSMIT));
    expect(requestRepeat(sa)).toBe(false);
    expect(sent() - before).toBe(retransmitTries);
  });

  it("stops sending again once it is answered, and keeps the exchange open until it is done", () => {
    ask();
    requestAnswered(sa);
    expect(deadlineNext()).toBe(u64.MAX_VALUE);
    expect(sa.outStep).toBe(OUT_LIVENESS);
    expect(sa.outId).toBe(0);
  });

  it("answers by the request's number and answers a duplicate with the same octets", () => {
    const before = sent();
    sa.inStep = IN_CHILD_KEY;
    responseSend(sa, responseBegin(sa, INFORMATIONAL));
    expect(ikeMessageId(ikeResponse(sa))).toBe(0);
    expect(ikeFlags(ikeResponse(sa))).toBe(0x28);
    expect(sa.inId).toBe(1);
    expect(sa.inStep).toBe(IN_NONE);
    memory.copy(copy, ikeResponse(sa), sa.inLength);
    responseRepeat(sa);
    expect(sent() - before).toBe(2);
    expect(memory.compare(copy, ikeResponse(sa), sa.inLength)).toBe(0);
    // Our own requests count apart.
    ask();
    expect(ikeMessageId(ikeRequest(sa))).toBe(0);
  });

  it("never seals twice under one IV", () => {
    ask();
    memory.copy(copy, ikeRequest(sa) + 32, 8);
    requestDone(sa);
    ask();
    expect(load<u64>(copy)).not.toBe(load<u64>(ikeRequest(sa) + 32));
    responseSend(sa, responseBegin(sa, INFORMATIONAL));
    expect(load<u64>(ikeResponse(sa) + 32)).not.toBe(load<u64>(ikeRequest(sa) + 32));
  });
});
