/**
 * The front panel in a browser: Debian's Chromium, without a window, drives the page of the demo for teaching. Two chassis are seen, an SA
 * comes up and is placed, traffic moves, a board is ejected and its SAs go to the other; a packet's way is walked; hostile
 * names do nothing; axe-core finds nothing to complain of, on a laptop and on a phone; nothing is said on the console.
 *
 * Pictures of it are left in test/panel/screenshots. Without Chromium this fails (CARDCAGE_CHROMIUM names another).
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fitsOf, type SlotPlan } from "../../host/chassis/chassis.ts";
import { ChassisDirectory } from "../../host/chassis/flash/directory.ts";
import { Flash } from "../../host/chassis/flash/flash.ts";
import { BUILD_DIRECTORY } from "../../host/chassis/image.ts";
import { type PanelDemo, startPanelDemo } from "../../host/demo/panel.ts";
import { Capture } from "../../host/operator/capture.ts";
import { buildImageFile, signImageFile } from "../../host/image/image_file.ts";
import { parseVersion } from "../../host/image/version.ts";
import { found, keysInUse, SHARED } from "../cli/secret_search.ts";
import { imageFile, newKey } from "../host/signed_images.ts";
import { ACTIVE, hostilePeer } from "../pki/hostile_peer.ts";

const SCREENSHOTS = fileURLToPath(new URL("screenshots/", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LAPTOP = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
/** What a busy machine may take for anything. */
const PATIENCE_MS = 40_000;
/** Names that are markup, as a peer may choose them. */
const HOSTILE = `<img/src=x/onerror=document.title='owned'>`;

let browser: Browser;
let demo: PanelDemo;
test.before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const executablePath = process.env["CARDCAGE_CHROMIUM"] ?? "/usr/bin/chromium";
  // Of root it wants no sandbox; what it loads is ours.
  browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
  demo = await startPanelDemo({ speed: 1, port: 0, wait: true });
});
test.after(async () => {
  await browser?.close();
  await demo?.close();
});

/** What a page said on its console, and what it asked for. */
interface Watched {
  page: Page;
  context: BrowserContext;
  said: string[];
  elsewhere: string[];
}

async function open(url: string, options: object = LAPTOP): Promise<Watched> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const said: string[] = [];
  const elsewhere: string[] = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    said.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) elsewhere.push(request.url());
  });
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(url);
  await page.getByText("Live", { exact: true }).waitFor();
  return { page, context, said, elsewhere };
}

async function violations({ page, context }: Watched): Promise<string[]> {
  // By the debugger: the page's own policy lets no script in.
  const debug = await context.newCDPSession(page);
  await debug.send("Runtime.evaluate", { expression: AXE });
  const { violations: found, passes } = (await page.evaluate("axe.run()")) as {
    violations: { id: string; nodes: { html: string }[] }[];
    passes: unknown[];
  };
  assert.ok(passes.length > 20, "axe looked");
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

const shot = (page: Page, name: string): Promise<unknown> =>
  page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });

const chassis = (page: Page, name: string): Locator => page.getByRole("region", { name, exact: true });
const board = (page: Page, slot: number): Locator => chassis(page, "moon").locator(`svg.picture [data-slot="${slot}"]`);

/** A number that the page shows, in the caption of the plot. */
const rateShown = async (page: Page): Promise<number> =>
  Number(/now ([\d.]+)/.exec((await chassis(page, "moon").locator("figcaption").textContent()) ?? "")?.[1] ?? 0);

test("two chassis with their boards; an SA is negotiated, placed and used; a board goes and its SAs move", async () => {
  const watched = await open(demo.url);
  const { page } = watched;
  assert.not.match(page.url(), /token/, "the token is out of the address");
  assert.not.match(await page.content(), new RegExp(demo.token), "and not on the page");
  for (const name of ["moon", "sun"]) {
    const boards = chassis(page, name).locator("svg.picture [data-slot]");
    assert.is(await boards.count(), 3, name);
  }
  await chassis(page, "moon").getByRole("heading", { name: "moon-sun: DOWN" }).waitFor();
  await shot(page, "1-down");
  await chassis(page, "moon").getByRole("button", { name: "Initiate moon-sun" }).click();
  await chassis(page, "moon").getByRole("heading", { name: "net-1: INSTALLED, on the board in slot 1" }).waitFor();
  await chassis(page, "moon").getByRole("heading", { name: "net-2: INSTALLED, on the board in slot 2" }).waitFor();
  await board(page, 1).locator(".chip", { hasText: "net-1" }).waitFor();
  await board(page, 2).locator(".chip", { hasText: "net-2" }).waitFor();
  const log = chassis(page, "moon").getByRole("log");
  for (const what of ["IKE_SA_INIT request", "IKE_AUTH response", "S402", "S502", "child-updown"])
    await log.getByText(what).first().waitFor();
  await page.waitForFunction("[...document.querySelectorAll('.wire.busy')].length > 8");
  let rate = 0;
  for (let i = 0; i < 100 && rate === 0; i++) {
    await page.waitForTimeout(100);
    rate = await rateShown(page);
  }
  assert.ok(rate > 0, "traffic moves");
  assert.equal(await violations(watched), []);
  await shot(page, "2-traffic");

  await chassis(page, "moon").getByRole("button", { name: "Eject slot 1" }).click();
  await page.getByRole("dialog").getByText("Eject slot 1?").waitFor();
  await shot(page, "3-asked");
  await page.getByRole("button", { name: "Leave it" }).click();
  assert.is(demo.pair.moon.chassis.show().slots[1]!.state, "Online", "nothing without a yes");
  await chassis(page, "moon").getByRole("button", { name: "Eject slot 1" }).click();
  await page.getByRole("button", { name: "Do it" }).click();
  await chassis(page, "moon").getByRole("heading", { name: "Slot 1: empty, Empty" }).waitFor();
  await chassis(page, "moon").getByRole("heading", { name: "net-1: INSTALLED, on the board in slot 2" }).waitFor();
  await board(page, 2).locator(".chip", { hasText: "net-1" }).waitFor();
  assert.is(await board(page, 1).locator(".chip").count(), 0);
  await log.getByText("sa-moved").first().waitFor();
  await shot(page, "4-ejected");
  await chassis(page, "moon").getByRole("button", { name: "Insert slot 1" }).click();
  await chassis(page, "moon").getByRole("heading", { name: "Slot 1: ipsec, Online" }).waitFor();

  await chassis(page, "moon").getByRole("button", { name: "Rekey net-2" }).click();
  await page.getByText("Rekey net-2: done").waitFor();
  assert.equal(watched.said, []);
  assert.equal(watched.elsewhere, [], "it asks nobody else");
  await watched.context.close();
});

test("the way of a packet, step by step; a fault and its alarm; drops with what they mean", async () => {
  const watched = await open(demo.url);
  const { page } = watched;
  const moon = chassis(page, "moon");
  await moon.getByLabel("Filter").fill("dst nowhere");
  await moon.getByRole("button", { name: "Watch packets" }).click();
  await moon
    .getByText(/'nowhere'|nowhere/)
    .first()
    .waitFor();
  await moon.getByLabel("Filter").fill("from protected dst net 10.2.1.0/24");
  await moon.getByRole("button", { name: "Watch packets" }).click();
  const steps = moon.locator("ol.steps > li");
  await steps.nth(9).waitFor();
  await moon.getByRole("button", { name: "Stop watching" }).click();
  assert.match((await steps.nth(0).textContent()) ?? "", /^S601 {2}slot 0, IKE board: a packet of 600 octets/);
  assert.match((await steps.last().textContent()) ?? "", /^S706 {2}slot [12], IPsec board: sends/);
  assert.is(await steps.nth(0).getAttribute("aria-current"), "step");
  assert.is(await board(page, 0).getAttribute("data-here"), "yes");
  for (let i = 0; i < 20; i++) await moon.getByRole("button", { name: "Next step" }).click();
  assert.is(await steps.last().getAttribute("aria-current"), "step");
  assert.is(await board(page, 0).getAttribute("data-here"), null);
  assert.equal(await violations(watched), []);
  await shot(page, "5-way");

  const card = moon.locator("li.card", { has: page.getByRole("heading", { name: /^Slot 2/ }) });
  await card.getByText("Inject a fault").first().click();
  await card.getByLabel("Fault").selectOption("link");
  await card.getByLabel(/^Seconds/).fill("60");
  await card.getByRole("button", { name: "Inject a fault" }).click();
  await moon.getByText(/alarm, slot 2/).waitFor();
  await moon.getByText(/link_down: \d+/).waitFor();
  await shot(page, "6-fault");
  await moon.getByRole("button", { name: "Clear faults of moon" }).click();
  await moon.getByText(/alarm, slot 2/).waitFor({ state: "detached" });
  assert.equal(watched.said, []);
  await watched.context.close();
});

test("on a phone, in the dark, without motion: nothing is wider than the screen, and all of it is accessible", async () => {
  const watched = await open(demo.url, { ...PHONE, colorScheme: "dark", reducedMotion: "reduce" });
  const { page } = watched;
  await chassis(page, "moon")
    .getByRole("heading", { name: /^net-1: INSTALLED/ })
    .waitFor();
  const [wide, screen] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [
    number,
    number,
  ];
  assert.ok(wide <= screen, `${wide} > ${screen}`);
  assert.is(await page.evaluate("document.getAnimations().length"), 0, "nothing moves");
  assert.equal(await violations(watched), []);
  await shot(page, "7-phone");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused").waitFor();
  assert.equal(watched.said, []);
  await watched.context.close();
});

test("by the keyboard alone: every control is reached, and says what it is", async () => {
  const watched = await open(demo.url);
  const { page } = watched;
  await chassis(page, "sun")
    .getByRole("heading", { name: /^net-1: INSTALLED/ })
    .waitFor();
  const names: string[] = [];
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const name = (await page.evaluate(
      "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent).trim()",
    )) as string;
    assert.ok(name.length > 0, `control ${i} has a name`);
    names.push(name);
  }
  for (const wanted of [
    "To the chassis",
    "Pause",
    "Rebalance moon",
    "Picture of moon",
    "Terminate net-2",
    "Eject slot 1",
    "Measure",
    "Filter",
    "Watch packets",
  ])
    assert.ok(names.includes(wanted), `${wanted}: ${names.join(", ")}`);
  // A button that is in use is not taken away by what comes.
  await chassis(page, "moon").getByRole("button", { name: "Restart slot 2" }).focus();
  await page.waitForTimeout(2500);
  assert.is(await page.evaluate("document.activeElement.getAttribute('aria-label')"), "Restart slot 2");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  assert.is(demo.pair.moon.chassis.show().slots[2]!.generation, 1);
  assert.equal(watched.said, []);
  await watched.context.close();
});

test("without the token there is nothing to see, and a form to show it in", async () => {
  const context = await browser.newContext(LAPTOP);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(demo.panel.url);
  await page.getByRole("heading", { name: "The panel's token is wanted" }).waitFor();
  assert.is(await page.locator(".chassis").count(), 0);
  await page.getByLabel("Token").fill("0".repeat(32));
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForFunction("document.getElementById('token').value === ''");
  assert.is(await page.locator(".chassis").count(), 0);
  await page.getByLabel("Token").fill(demo.token);
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("Live", { exact: true }).waitFor();
  assert.is(await page.locator(".chassis").count(), 2);
  await context.close();
});

test("another page gets nothing: not by a request, not in a frame", async () => {
  const watched = await open(demo.url);
  const { page } = watched;
  const blocked = await page.evaluate(`(async () => {
    const results = [];
    const script = document.createElement("script");
    try { script.text = "document.title = 'owned'"; document.head.append(script); } catch { results.push("script"); }
    try { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); } catch { results.push("markup"); }
    await fetch("https://example.invalid/").catch(() => results.push("elsewhere"));
    return results;
  })()`);
  assert.equal(blocked, ["script", "markup", "elsewhere"]);
  await watched.context.close();
  const context = await browser.newContext();
  const stranger = await context.newPage();
  await stranger.route("http://stranger.test/", (route) =>
    route.fulfill({ contentType: "text/html", body: `<iframe src="${demo.panel.url}"></iframe>` }),
  );
  await stranger.goto("http://stranger.test/");
  const got = await stranger.evaluate(`fetch("${demo.panel.url}control/0", { method: "POST", headers: {
    "content-type": "application/json", authorization: "Bearer ${demo.token}" }, body: '{"command":"boards"}' })
    .then(() => "answered", () => "refused")`);
  assert.is(got, "refused");
  const frame = stranger.frames()[1];
  assert.is(
    await frame
      ?.locator("#chassis")
      .count()
      .catch(() => 0),
    0,
    "not in a frame",
  );
  await context.close();
});

test("no key is on the page, whatever is opened on it and whatever has died", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-panel-keys-"));
  const keys = join(directory, "keys");
  const other = await startPanelDemo({ speed: 1, port: 0, wait: false, pair: { chassis: { keyExport: true } } });
  try {
    const { gateway } = other.pair.moon;
    const capture = new Capture(gateway, join(directory, "run.pcapng"), { keys });
    const watched = await open(other.url);
    const { page } = watched;
    const moon = chassis(page, "moon");
    await moon.getByRole("heading", { name: /^net-1: INSTALLED/ }).waitFor();
    await moon.getByRole("button", { name: "Rekey net-2" }).click();
    await page.getByText("Rekey net-2: done").waitFor();
    await moon.getByLabel("Filter").fill("from protected");
    await moon.getByRole("button", { name: "Watch packets" }).click();
    await moon.locator("ol.steps > li").nth(5).waitFor();
    // Everything that folds is opened.
    await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))");
    const seen: string[] = [];
    const look = async (): Promise<void> => {
      seen.push(await page.content(), await page.locator("body").innerText());
      seen.push(String(await page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")));
    };
    await look();
    other.pair.moon.chassis.injectFault({ kind: "trap", slot: 1 });
    await moon.getByRole("log").getByText("board-trap").first().waitFor();
    await look();
    capture.stop();
    const { esp, ike } = keysInUse(keys);
    assert.ok(esp.length >= 6 && ike.length >= 2, "keys in use");
    const secrets = [Buffer.from(SHARED), ...esp, ...ike];
    assert.ok(seen.join("").length > 20_000);
    assert.equal(found(secrets, Buffer.from(seen.join("\n"))), []);
    // It is the DOM that was looked through: what stands in it is found.
    await page.evaluate(
      `document.querySelector("footer, main, body").setAttribute("data-x", "${esp[0]!.toString("hex")}")`,
    );
    assert.is(found(secrets, Buffer.from(await page.content())).length, 1);
    await watched.context.close();
  } finally {
    await other.close();
    rmSync(directory, { recursive: true });
  }
});

test("names that a peer chose are text, whatever is in them", async () => {
  const authentication = {
    moon: `local {\n auth = psk\n id = "moon.example"\n }\n remote {\n auth = psk\n id = "@${HOSTILE}"\n }`,
    sun: `local {\n auth = psk\n id = "@${HOSTILE}"\n }\n remote {\n auth = psk\n id = "moon.example"\n }`,
  };
  const secrets = `ike-hostile {\n id-moon = moon.example\n id-sun = "@${HOSTILE}"\n secret = "a shared secret of moon and sun"\n }`;
  const other = await startPanelDemo({
    speed: 1,
    port: 0,
    wait: false,
    pair: { authentication, secrets: { moon: secrets, sun: secrets } },
  });
  try {
    const watched = await open(other.url);
    const { page } = watched;
    await chassis(page, "moon")
      .getByRole("heading", { name: /^net-1: INSTALLED/ })
      .waitFor();
    other.pair.moon.gateway.announce(HOSTILE);
    await chassis(page, "moon").getByRole("log").getByText(HOSTILE).first().waitFor();
    const said = HOSTILE.replaceAll("'", "\\'");
    assert.ok((await page.locator("dd", { hasText: said }).count()) > 0, "it is shown as it is");
    assert.is(await page.locator("img").count(), 0);
    assert.is(await page.title(), "moon, sun - Cardcage");
    assert.equal(watched.said, []);
    await shot(page, "8-hostile");
    await watched.context.close();
  } finally {
    await other.close();
  }
});

for (const named of ["subject", "name"] as const)
  test(`a peer with a hostile certificate, known by its ${named}: the page shows what it says, and does none of it`, async () => {
    const peer = hostilePeer(named);
    const other = await startPanelDemo({ speed: 1, port: 0, wait: false, pair: peer.options });
    try {
      const watched = await open(other.url, PHONE);
      const { page } = watched;
      const moon = chassis(page, "moon");
      await moon.getByRole("heading", { name: /^net-1: INSTALLED/ }).waitFor();
      await moon.getByLabel("Filter").fill("from protected");
      await moon.getByRole("button", { name: "Watch packets" }).click();
      await moon.locator("ol.steps > li").nth(5).waitFor();
      const said = (await page.locator("body").innerText()).replaceAll("\n", " ");
      const told = `'${peer.shown.replaceAll("'", "\\'")}' at `;
      assert.ok(said.includes(told.replace(/\s+/g, " ")), "it is shown, escaped");
      assert.not.match(said, ACTIVE);
      const html = await page.content();
      assert.not.match(html, /<script>document|<img/, "and is no markup");
      assert.is(await page.locator("img").count(), 0);
      assert.is(await page.title(), "moon, sun - Cardcage");
      const [wide, screen] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [
        number,
        number,
      ];
      assert.ok(wide <= screen, `a long name makes nothing wider than the screen: ${wide} > ${screen}`);
      assert.equal(watched.said, []);
      assert.equal(watched.elsewhere, []);
      await shot(page, `11-hostile-${named}`);
      await watched.context.close();
    } finally {
      await other.close();
      peer.close();
    }
  });

test("an image is flashed from the page: written, tested and kept; one that fails is taken back; who does not say yes changes nothing", async () => {
  const { signer, key } = newKey();
  const directory = mkdtempSync(join(tmpdir(), "cardcage-panel-flash-"));
  const image = (name: "ike" | "ipsec", version: string): Uint8Array =>
    signImageFile(
      buildImageFile(new Uint8Array(readFileSync(`${BUILD_DIRECTORY}/${name}.simd.wasm`)), {
        version: parseVersion(version),
        securityCounter: 1,
      }),
      signer,
    );
  const slots: SlotPlan[] = [
    { slot: 0, board: "ike" },
    { slot: 1, board: "ipsec" },
    { slot: 2, board: "ipsec" },
  ];
  const flash = await Flash.open(new ChassisDirectory(join(directory, "flash")), {
    trusted: [key],
    slots: fitsOf({ slots }, 65536),
  });
  const ipsec = image("ipsec", "1.0.0");
  const first = image("ike", "1.0.0");
  await flash.write(
    slots.map(({ slot, board }) => ({ slot, octets: board === "ike" ? first : ipsec })),
    "confirm",
  );
  const [good, bad, stranger] = ["good.cci", "bad.cci", "stranger.cci"].map((name) => join(directory, name));
  writeFileSync(good!, image("ipsec", "2.0.0"));
  writeFileSync(bad!, await imageFile({ version: "3.0.0", counter: 1, entry: "refusing_ipsec" }, signer));
  writeFileSync(stranger!, await imageFile({ version: "4.0.0", counter: 1 }, newKey().signer));
  const pair = { firmware: { moon: { flash, boot: await flash.boot() } } };
  const other = await startPanelDemo({ speed: 4, port: 0, wait: false, pair });
  try {
    const watched = await open(other.url);
    const { page } = watched;
    const moon = chassis(page, "moon");
    await moon.getByRole("heading", { name: /^net-1: INSTALLED/ }).waitFor();
    assert.is(await chassis(page, "sun").getByText("Flash an image").count(), 0, "sun boots from no flash");
    const card = moon.locator("li.card", { has: page.getByRole("heading", { name: /^Slot 1/ }) });
    const order = async (file: string, then: string, answer = "Do it"): Promise<void> => {
      await card.getByLabel("File on the gateway's machine").fill(file);
      await card.getByLabel("Then").selectOption(then);
      await card.getByRole("button", { name: "Flash an image" }).click();
      await page.getByRole("dialog").getByText(`Flash slot 1 with ${file}?`).waitFor();
      await page.getByRole("button", { name: answer }).click();
    };
    await card.getByText("Flash an image").first().click();
    await card.getByText("A 1.0.0, runs; B empty").waitFor();
    await order(good!, "test", "Leave it");
    await order(stranger!, "confirm");
    await page.getByText(/^Flash slot 1: .*(signature|key)/).waitFor();
    await card.getByText("A 1.0.0, runs; B empty").waitFor();

    await order(good!, "test");
    await card.getByText("A 1.0.0; B 2.0.0, under test").waitFor();
    await page.getByText("Flash slot 1: testing").waitFor();
    await card.getByRole("heading", { name: "Slot 1: ipsec, Online" }).waitFor();
    assert.equal(await violations(watched), []);
    await shot(page, "9-under-test");
    await moon.getByRole("button", { name: "Keep tested images of moon" }).click();
    await card.getByText("A 1.0.0; B 2.0.0, runs").waitFor();

    await order(bad!, "confirm");
    await page.getByText(/^Flash slot 1: reverted/).waitFor();
    await card.getByText("B 2.0.0, runs").waitFor();
    await card.getByRole("heading", { name: "Slot 1: ipsec, Online" }).waitFor();
    await shot(page, "10-reverted");
    assert.equal(watched.said, []);
    await watched.context.close();
  } finally {
    await other.close();
    rmSync(directory, { recursive: true });
  }
});

test.run();
