// pages.md S2, S3 and S4 on a phone, walked in one night by people with passkeys;
// what each screen says is counted in words, labels too.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start(["--ignore-certificate-errors"]); // no passkeys where the certificate is not trusted
let step = "start";
const screen = { width: 390, height: 844 };

async function phone(name) {
  const context = await browser.newContext({ viewport: screen, hasTouch: true, isMobile: true, ignoreHTTPSErrors: true, timezoneId: "Europe/Berlin", reducedMotion: "reduce" });
  await context.addCookies([{ name: "__Host-penstock", value: given.cookies[name], url: given.url, secure: true, httpOnly: true, sameSite: "Strict" }]);
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: ${name}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${name}: ${m.text()}`); });
  if (given.keys[name]) {
    const cdp = await context.newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
    const k = given.keys[name];
    await cdp.send("WebAuthn.addCredential", { authenticatorId, credential: { credentialId: k.id, isResidentCredential: true, rpId: "localhost", privateKey: k.key, userHandle: k.user, signCount: 1 } });
  }
  return page;
}

const is = (what, true_) => { if (!true_) faults.push(`${step}: ${what}`); };
const shows = async (page, ...texts) => { for (const text of texts) await page.getByText(text).first().waitFor(); };

// words are those that somebody sees in what fits, but not in what stands from an element on.
const words = (page, what, until) => page.evaluate(([what, until]) => {
  const root = document.querySelector(what), end = until && root.querySelector(until);
  const all = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let text = "";
  while (all.nextNode()) {
    const n = all.currentNode;
    if (end && end.compareDocumentPosition(n) & (Node.DOCUMENT_POSITION_FOLLOWING | Node.DOCUMENT_POSITION_CONTAINED_BY)) break;
    if (n.parentElement.checkVisibility() && !n.parentElement.closest("select")) text += n.data + " ";
  }
  return text.split(/\s+/).filter((w) => /[\p{L}\d]/u.test(w)).length;
}, [what, until]);

async function counted(page, name, what, most, until) {
  let n = 0;
  for (const one of [].concat(what)) n += await words(page, one, until);
  console.log(`${name}: ${n} words of ${most}`);
  is(`${name}: ${n} words, at most ${most}`, n <= most && n > 20);
}

async function looks(page, name) {
  await accessible(page, name);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  is(`${name} is ${over} px wider than the screen`, over <= 0);
  if (given.shots) await page.screenshot({ path: `${given.shots}/night-${name}.png`, fullPage: true });
}

// inReach: the buttons stand on the first screen.
async function inReach(page, ...names) {
  await page.evaluate(() => scrollTo(0, 0));
  for (const name of names) {
    const box = await page.getByRole("button", { name }).first().boundingBox();
    is(`${name} ends at ${box && box.y + box.height} px, below the first screen`, box && box.y + box.height <= screen.height);
  }
}

try {
  // ---- S2: the request, at three in the morning ----
  step = "S2";
  const mia = await phone("mia");
  await mia.goto(given.url + "/requests/R-1");
  await shows(mia, "Why you?", "Your yes is enough.", "Say on the phone", "then it ends by itself", "Worst case:", "If it fails:");
  await counted(mia, "S2", "#request", 85, ".answer");
  await inReach(mia, "Look only", "Open as asked");
  await looks(mia, "s2");
  for (const name of ["Way in", "Way back", "Proof"]) await mia.locator("summary", { hasText: name }).waitFor();

  step = "S2, Not now";
  await mia.locator("summary", { hasText: "Not now" }).click();
  for (const name of ["Wrong machine", "No work order", "Ask this question", "Wait until then", "No"]) await mia.getByRole("button", { name, exact: true }).waitFor();
  await looks(mia, "s2-not-now");

  step = "S2, a shell that nobody stops, and changed values, to the owner";
  const olaf = await phone("olaf");
  await olaf.goto(given.url + "/requests/R-2");
  await shows(olaf, "CHANGE VALUES", "whom rule");
  const more = await olaf.$$eval(".unusual", (all) => all.slice(1).map((e) => e.innerText.split(/\s+/).filter((w) => /[\p{L}\d]/u.test(w)).length).reduce((a, b) => a + b, 0));
  await counted(olaf, "S2, to change values", "#request", 85 + more, ".answer"); // the sample has one red line
  await inReach(olaf, /^Yes/);
  await looks(olaf, "s2-owner");

  step = "S2, decided meanwhile";
  const late = await phone("mia");
  await late.goto(`${given.url}/requests/${given.extra}`);
  await late.getByRole("button", { name: /^Open as asked/ }).waitFor();
  const faster = await fetch(given.faster, { method: "POST" });
  if (!faster.ok) throw new Error(await faster.text());
  await late.getByRole("link", { name: "See window" }).waitFor(); // the page keeps its content, and its buttons turn
  is("its content is gone", await late.getByText("Worst case:").isVisible());
  is("it can be answered still", await late.getByRole("button", { name: /^Open as asked/ }).count() === 0);
  await looks(late, "s2-decided");
  await late.context().close();

  step = "S2, shorter, by one tap";
  await mia.locator("summary", { hasText: "Shorter" }).click();
  await mia.getByRole("button", { name: "1 hour" }).click();
  await shows(mia, /^Open\. Ends/);
  is(`it jumped to ${mia.url()}`, new URL(mia.url()).pathname === "/requests/R-1");
  for (const name of ["Pause", "Cut"]) await mia.getByRole("button", { name, exact: true }).waitFor(); // on the same screen
  await mia.getByRole("link", { name: "Watch" }).waitFor();
  await looks(mia, "s2-open");

  // ---- S3: the board ----
  step = "S3";
  await mia.goto(given.url + "/");
  await mia.getByText(/a shell on FIL-1-PLC-01/).waitFor();
  const order = await mia.locator(".board h2").allTextContents();
  const want = ["Waits for an answer", "In now", "Open, nobody of it is in", "Ready, not open", "Left behind"];
  is(`its order is ${order}`, want.length === order.length && want.every((w, i) => order[i].startsWith(w)));
  is(`who is in: ${order[1]}`, /1 person, 1 machine$/.test(order[1]));
  await counted(mia, "S3", [".board", ".foot", ".bar"], 144);
  await shows(mia, "Call somebody in", "Recording ok.");
  await looks(mia, "s3");
  step = "S3, a short tap on the island asks";
  await mia.getByRole("button", { name: /ISLAND/ }).click();
  await shows(mia, "Island: let nobody in", "1 person is in by 1 window.");
  await mia.getByRole("link", { name: "Back, do nothing" }).click();

  step = "S3, what is ready is opened by one tap";
  await mia.locator("li.card", { hasText: "waits for the shift" }).first().getByRole("button", { name: "Open", exact: true }).click();
  await shows(mia, /^Open\. Ends/);
  step = "S3, pause, and go on by one tap";
  await mia.goto(given.url + "/");
  const card = mia.locator(".win", { hasText: given.inside });
  await card.getByRole("button", { name: "Pause" }).click();
  await mia.getByRole("heading", { name: /paused by/ }).waitFor();
  await mia.getByRole("button", { name: "Go on" }).click();
  await shows(mia, "It goes on.");

  // ---- S4: handover ----
  step = "S4, Mia offers it";
  await mia.goto(given.url + "/handover");
  await mia.getByLabel("To the next shift").fill("Alarm F-417 twice. Krall thinks flow sensor.");
  await mia.getByRole("button", { name: /^Offer/ }).click();
  await shows(mia, /^Offered: /);
  step = "S4, Max looks and signs by one tap";
  const max = await phone("max");
  await max.goto(given.url + "/handover");
  await shows(max, "Alarm F-417 twice.", "who is responsible until it is taken", "Not taken at");
  await counted(max, "S4", "section.card", 132);
  await max.getByText(/^Look at/).waitFor();
  await looks(max, "s4");
  for (const tick of await max.getByLabel(/I take W-/).all()) await tick.check();
  await max.getByLabel(/I take (it|all)/).check();
  await max.getByRole("button", { name: /^Sign: / }).click();
  await shows(max, "Signed: all of it is yours.");
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
}
finish();
