// A session watched by a phone and a desk, against a whole broker; what is
// shown is the machine's, and so as hostile as it likes.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start();
const does = async (what) => { const r = await fetch(`${given.does}/${what}`); if (!r.ok) throw new Error(`${what}: ${await r.text()}`); };
let step = "start";

async function person(name, viewport, js = true) {
  const context = await browser.newContext({ viewport, javaScriptEnabled: js, ignoreHTTPSErrors: true, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: ${name}: error in the page: ${e}`));
  page.on("dialog", (d) => { faults.push(`${step}: a dialog`); d.dismiss(); });
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${name}: ${m.text()}`); });
  await page.goto(given.url + "/");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(given.passwords[name]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in:").waitFor();
  return page;
}

async function look(page, name) {
  if (name !== "plain") await accessible(page, name); // axe itself is a script
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) faults.push(`${step}: ${over} px wider than the screen`);
  if (given.shots) await page.screenshot({ path: `${given.shots}/watch-${name}.png` });
}

async function inReach(page, name) {
  const box = await page.getByRole("button", { name, exact: true }).boundingBox();
  if (!box || box.y < 0 || box.y + box.height > page.viewportSize().height) faults.push(`${step}: ${name} stands at ${box?.y} px, out of reach`);
}

try {
  const phone = await person("mia", { width: 390, height: 844 });
  step = "nobody is in yet";
  await phone.goto(given.url + "/windows/W-1/watch");
  await phone.getByRole("heading", { name: "not in yet" }).waitFor();
  await look(phone, "waits-phone");
  step = "the page goes over by itself";
  await does("in");
  await phone.waitForURL("**/sessions/S-1/watch?channel=0");
  await phone.locator(".ap-player").getByText("flow 812").waitFor();
  await does("says?flow+999");
  await phone.locator(".ap-player").getByText("flow 999").waitFor();
  await look(phone, "phone");
  step = "a terminal that is wider than the phone";
  await phone.getByRole("button", { name: "Fit it in" }).click();
  await phone.waitForFunction(() => { const s = document.getElementById("screen"); return s.scrollWidth <= s.clientWidth + 1; });
  await look(phone, "phone-fits");
  await phone.getByRole("button", { name: "Readable size" }).click();
  await phone.waitForFunction(() => { const s = document.getElementById("screen"); return s.scrollWidth > s.clientWidth + 1; });
  for (const name of ["Pause", "Cut"]) await inReach(phone, name);
  step = "scrolled down";
  await phone.evaluate(() => scrollTo(0, document.body.scrollHeight));
  for (const name of ["Pause", "Cut"]) await inReach(phone, name);
  step = "a terminal that grows";
  const desk = await person("sec", { width: 1440, height: 900 });
  await desk.goto(given.url + "/sessions/S-1/watch?channel=0");
  await desk.locator(".ap-player").getByText("flow 999").waitFor();
  await does("grows");
  await desk.waitForFunction(() => document.querySelector(".ap-player").getBoundingClientRect().height > 0);
  await look(desk, "desk");
  step = "hostile output";
  const title = await desk.title();
  await does("hostile");
  await desk.locator(".ap-player").getByText("still here").waitFor();
  for (const page of [desk, phone]) {
    const found = await page.evaluate(() => ({ ran: "pwned" in window, links: [...document.querySelectorAll("#screen a")].length,
      inside: document.querySelectorAll("#screen script, #screen img, #screen iframe").length, title: document.title }));
    if (found.ran || found.links || found.inside) faults.push(`${step}: ${JSON.stringify(found)}`);
  }
  if (await desk.title() !== title) faults.push(`${step}: the title is ${await desk.title()}`);
  step = "a channel that shows nothing to read";
  await does("files");
  await desk.getByRole("link", { name: /^1: / }).click();
  await desk.locator("#passed-out").getByText("5000 bytes").waitFor();
  await look(desk, "files-desk");
  step = "without JavaScript";
  const plain = await person("olaf", { width: 390, height: 844 }, false);
  await plain.goto(given.url + "/sessions/S-1/watch?channel=0");
  await plain.getByRole("link", { name: "Show the last lines" }).click();
  await plain.getByText("still here").waitFor();
  await look(plain, "plain");
  step = "pause and cut while watched";
  await phone.getByRole("button", { name: "Pause" }).click();
  await phone.getByText("paused", { exact: true }).waitFor();
  await phone.locator(".ap-player").getByText("still here").waitFor();
  await phone.getByRole("button", { name: "Cut" }).click();
  await phone.getByRole("heading", { name: "S-1 is over" }).waitFor();
  await desk.getByText("It has ended.").waitFor();
  await look(phone, "over-phone");
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
}
finish();
