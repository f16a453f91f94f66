/** The threaded drive by itself: what waits on it when it is closed. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Threaded } from "../../host/chassis/drive/threaded.ts";

test("closing the drive ends waits with what their condition says then", async () => {
  const drive = new Threaded();
  let done = false;
  const never = drive.until(() => false, 3_600_000);
  const late = drive.until(() => done, 3_600_000);
  done = true;
  await drive.close();
  assert.is(await never, false);
  assert.is(await late, true);
});

test.run();
