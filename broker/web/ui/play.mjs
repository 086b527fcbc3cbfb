// The player in a large recording, on a phone and at a desk: it opens and seeks
// anywhere, plays, and does not hold what it has played.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start();
let step = "open";
try {
  for (const [size, viewport] of [["phone", { width: 390, height: 844 }], ["desk", { width: 1440, height: 900 }]]) {
    const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true, reducedMotion: "reduce" });
    await context.addCookies([{ ...given.cookie, url: given.url }]);
    const page = await context.newPage();
    page.setDefaultTimeout(60000);
    page.on("pageerror", (e) => faults.push(`${step}: error in the page: ${e}`));
    page.on("console", (m) => { if (m.type() === "error") faults.push(`${step}: console: ${m.text()}`); });
    let fetched = 0, largest = 0;
    page.on("response", async (r) => {
      if (!r.url().includes("/playing")) return;
      const n = (await r.body().catch(() => "")).length;
      fetched += n; largest = Math.max(largest, n);
    });
    const top = async () => (await page.locator("#player .ap-player").innerText()).match(/line (\d{8})/)?.[1];
    // The screen's first number, once it is another one than before.
    const after = async (was) => {
      await page.waitForFunction((was) => {
        const now = document.querySelector("#player .ap-player")?.innerText.match(/line (\d{8})/)?.[1];
        return now !== undefined && now !== was;
      }, was);
      return +(await top());
    };
    step = `${size}: open`;
    await page.goto(given.url + "/recordings/S-1/play?channel=0&t=0.02");
    await page.locator("#bar").waitFor();
    const long = await page.locator("#where").evaluate((e) => +e.max);
    const seek = (part) => page.locator("#where").evaluate((e, to) => { e.value = to; e.dispatchEvent(new Event("change")); }, long * part);
    let last = await top(), before = last === undefined ? -1 : +last;
    for (const part of [0.25, 0.5, 0.75, 0.98]) {
      step = `${size}: seek to ${part}`;
      await seek(part);
      const n = await after(last);
      if (n <= before) faults.push(`${step}: shows line ${n} after ${before}`);
      before = n; last = await top();
    }
    const home = async () => {
      await page.locator("#where").focus();
      await page.keyboard.press("Home");
      await page.waitForFunction(() => +document.getElementById("where").value === 0);
    };
    const passes = () => page.waitForFunction((to) => +document.getElementById("where").value > to, Math.min(long / 4, 1));
    if (size === "phone") { // once is enough
      step = `${size}: keyboard`;
      await home();
      await page.locator("h1").click();
      await page.keyboard.press(" ");
      await passes();
      await seek(0.98); // the rest would take as long as the recording
      await page.waitForFunction(() => document.getElementById("go").textContent === "Play"); // the end
      step = `${size}: play`;
      await home();
      await page.locator("#fast").click();
      await page.locator("#player").click();
      await passes();
    }
    if (await page.evaluate(() => getSelection().toString())) faults.push(`${step}: a click selects text`);
    await accessible(page, step);
    step = `${size}: layout`;
    for (const name of ["#go", "#before", "#after", "#fast", "#where", "#clock"]) {
      const box = await page.locator(name).boundingBox();
      if (!box || box.x < 0 || box.x + box.width > viewport.width) faults.push(`${step}: ${name} is cut off: ${JSON.stringify(box)}`);
    }
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) faults.push(`${step}: ${over} px wider than the screen`);
    if (given.shots) await page.screenshot({ path: `${given.shots}/playing-${size}.png`, fullPage: size === "phone" });
    if (largest > 1 << 20) faults.push(`${step}: one piece was ${largest} bytes`);
    const engine = await context.newCDPSession(page);
    await engine.send("HeapProfiler.collectGarbage"); // what lies about is the machine's load
    const heap = (await engine.send("Runtime.getHeapUsage")).usedSize;
    if (heap > 24 << 20) faults.push(`${step}: the page holds ${heap >> 20} MiB after ${fetched >> 20} MiB`);
    console.log(`${size}: ${long.toFixed(1)} s, ${fetched >> 10} KiB fetched, at most ${largest >> 10} KiB at once, ${heap >> 20} MiB held`);
    await context.close();
  }
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
}
finish();
