// One window as people meet it, on phones, against a whole broker.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start();
const code = async (who) => (await fetch(`${given.codes}/${who}`)).text();
const hostile = `<script>window.pwned=1</script><img src=x onerror=window.pwned=1>"'`;
let step = "start";

async function person(name, { js = true } = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, javaScriptEnabled: js, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: ${name}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${name}: ${m.text()}`); });
  await page.goto(given.url + "/");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(given.passwords[name]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in:").waitFor();
  return page;
}

async function look(page, name) {
  if (await page.evaluate(() => "pwned" in window)) faults.push(`${step}: hostile text ran as a script`);
  await accessible(page, name);
  if (given.shots) await page.screenshot({ path: `${given.shots}/walk-${name}.png` });
}

async function ask(page, account, rights, order) {
  await page.goto(given.url + "/requests/new");
  await page.getByLabel("ann of Krall").check();
  await page.locator(`input[value="filler-plc/ssh/${account}"]`).check();
  for (const r of rights) await page.locator(`input[name=right][value=${r}]`).check();
  await page.getByLabel("Why").fill(hostile);
  if (order) { await page.getByText("Work order, change").click(); await page.getByLabel("Work order").fill(order); }
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("waits for an answer").waitFor();
}

try {
  step = "sign in";
  const [ann, mia] = await Promise.all([person("ann"), person("mia")]);
  await mia.getByText("Nobody is in. Nothing waits.").waitFor();
  step = "ask";
  await ask(ann, "viewer", ["look"]);
  step = "the board moves by itself";
  await mia.getByText("asks you").waitFor();
  await look(mia, "board");
  step = "answer";
  await mia.getByRole("link", { name: "R-1" }).click();
  await mia.getByRole("heading", { name: "wants to LOOK" }).waitFor();
  await look(mia, "request");
  const button = mia.getByRole("button", { name: /Open as asked/ });
  const box = await button.boundingBox();
  if (box.y + box.height > 844) faults.push(`${step}: the button stands at ${box.y + box.height} px, below the first screen`);
  await mia.locator("#yes").getByLabel("Code").fill(await code("mia"));
  await button.click();
  await mia.getByText("by itself.").waitFor();
  await look(mia, "window");
  step = "the vendor sees it open, then paused, without loading";
  await ann.goto(given.url + "/windows/W-1");
  await ann.getByText("Next for you").waitFor();
  await mia.getByRole("button", { name: "Pause" }).click();
  await ann.getByRole("heading", { name: /paused by Mia/ }).waitFor();
  await look(ann, "window-vendor");
  step = "hold to confirm";
  await ask(ann, "tester", ["look", "copy", "set"], "WO 88");
  const olaf = await person("olaf");
  await olaf.goto(given.url + "/requests/R-2");
  await look(olaf, "request-danger");
  await olaf.locator("#yes").getByLabel("Code").fill(await code("olaf"));
  const hold = olaf.getByRole("button", { name: /^Hold to/ });
  await hold.hover();
  await olaf.mouse.down();
  await olaf.getByText("Your yes stands").waitFor();
  await olaf.mouse.up();
  step = "without JavaScript";
  await ask(ann, "viewer", ["look"]);
  const jan = await person("jan", { js: false });
  await jan.getByRole("link", { name: "R-3" }).click();
  await jan.getByText("Not now").click();
  await jan.locator("#yes").getByLabel("Code").fill(await code("jan"));
  await jan.getByRole("button", { name: /Open as asked/ }).click();
  await jan.getByText("by itself.").waitFor();
  await jan.getByRole("button", { name: "Cut" }).click();
  await jan.getByRole("heading", { name: /cut by Jan/ }).waitFor();
  await jan.goto(given.url + "/island");
  await jan.getByRole("button", { name: "Let nobody in" }).click();
  await jan.getByText("nobody comes in").first().waitFor();
  step = "play";
  const sec = await person("sec");
  await sec.goto(given.url + "/recordings/S-7/play?channel=0");
  if (await sec.getByText("This build has no player").isVisible()) throw new Error("build it: (cd broker/web/ui && npm run build)");
  await sec.locator("#player .ap-player").waitFor();
  await sec.locator("#player .ap-player").click();
  await sec.locator("#player").getByText("flow 812").waitFor();
  await sec.locator("[data-second]").first().click();
  step = "play by keyboard";
  const has = async (what, is) => { if (!(await is)) faults.push(`${step}: ${what}`); };
  const focused = (name) => sec.evaluate((n) => document.activeElement?.id === n, name);
  await sec.locator("#proved").getByText("Whole and unbroken").waitFor();
  await sec.locator("#timeline .refused").first().waitFor({ state: "attached" });
  const all = await sec.locator("#marks li:visible").count();
  await sec.getByRole("button", { name: "refused", exact: true }).click();
  const some = await sec.locator("#marks li:visible").count();
  await has(`the filter shows ${some} of ${all}`, some > 0 && some < all);
  await sec.getByRole("button", { name: "all", exact: true }).click();
  await sec.locator("h1").click();
  await sec.keyboard.press("/");
  await has("/ does not lead to the search", focused("find"));
  await sec.keyboard.type("no such event");
  await has("the search hides nothing", (await sec.locator("#marks li:visible").count()) === 0);
  await sec.locator("#find").fill("");
  await sec.locator("h1").click();
  await sec.keyboard.press("ArrowRight");
  await sec.keyboard.press("n");
  await has("n does not lead to the note", focused("note"));
  await sec.keyboard.type("1 2 3 / n are letters here");
  await has("what is typed in a note leads elsewhere", focused("note"));
  await sec.locator("#fast").click();
  await has("2× is not on", (await sec.locator("#fast").getAttribute("aria-pressed")) === "true");
  await sec.locator("#idle").click();
  await sec.locator("#player .ap-player").waitFor();
  await sec.locator("#go").click();
  await sec.locator("#player").getByText("flow 812").waitFor();
  await look(sec, "play");
  step = "signed out elsewhere";
  await mia.getByRole("button", { name: "Sign out" }).click();
  await mia.getByRole("heading", { name: "Sign in" }).waitFor();
  await mia.goBack();
  if (await mia.getByText("Signed in:").isVisible()) faults.push(`${step}: the page before is shown again`);
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
}
finish();
