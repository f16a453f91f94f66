import {
  boardOffline,
  boardOnline,
  boardLinkAdd,
  boardLinkRemove,
  boardsReset,
  boardHasRoom,
  boardIsOnline,
} from "../../../assembly/distribution/board_table";
import { SELECTION_NONE, selectBoard, selectionReset } from "../../../assembly/distribution/selection";

describe("selection of a board (S402)", () => {
  beforeEach(() => {
    boardsReset();
    selectionReset();
  });

  test("no board, no choice", () => {
    expect(selectBoard()).toBe(SELECTION_NONE);
  });

  test("round robin over the boards that are online", () => {
    boardOnline(1, 1, 10);
    boardOnline(3, 1, 10);
    boardOnline(7, 1, 10);
    expect(selectBoard()).toBe(1);
    expect(selectBoard()).toBe(3);
    expect(selectBoard()).toBe(7);
    expect(selectBoard()).toBe(1);
  });

  test("a full board is passed over until it has room again", () => {
    boardOnline(1, 1, 1);
    boardOnline(2, 1, 2);
    boardLinkAdd(1);
    expect(boardHasRoom(1)).toBe(false);
    expect(selectBoard()).toBe(2);
    expect(selectBoard()).toBe(2);
    boardLinkRemove(1, 1);
    expect(selectBoard()).toBe(1);
  });

  test("a board that left is not chosen, an earlier generation is not heard", () => {
    boardOnline(1, 1, 10);
    boardOnline(2, 1, 10);
    boardOnline(1, 2, 10);
    expect(boardOffline(1, 1)).toBe(false, "an old generation going down concerns nobody");
    expect(boardIsOnline(1, 1)).toBe(false);
    expect(boardIsOnline(1, 2)).toBe(true);
    expect(boardOffline(1, 2)).toBe(true);
    expect(selectBoard()).toBe(2);
    expect(selectBoard()).toBe(2);
  });

  test("slots beyond the cage are refused", () => {
    expect(boardOnline(64, 1, 10)).toBe(false);
    expect(boardOffline(64, 1)).toBe(false);
    expect(boardIsOnline(64, 1)).toBe(false);
  });
});
