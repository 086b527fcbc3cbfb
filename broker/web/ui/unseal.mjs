// A sealed recording, opened on a phone with the auditor's key file, played,
// and sealed again. The key file must not leave the browser.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start();
let step = "sign in";
try {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ignoreHTTPSErrors: true, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${m.text()}`); });
  const posted = [];
  page.on("request", (r) => { if (r.method() === "POST") posted.push([new URL(r.url()).pathname, r.postDataBuffer() ?? Buffer.alloc(0)]); });
  await page.goto(given.url + "/");
  await page.getByLabel("Name").fill("sec");
  await page.getByLabel("Password").fill(given.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in:").waitFor();

  step = "sealed";
  await page.goto(given.url + "/recordings/S-7");
  await page.getByText("Sealed. Opens with your auditor key; opening is logged.").waitFor();
  await accessible(page, step);
  if (await page.getByRole("link", { name: "Play" }).count()) faults.push("a sealed recording offers to be played");
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) faults.push(`${step}: ${over} px wider than the screen`);
  if (given.shots) await page.screenshot({ path: `${given.shots}/sealed.png`, fullPage: true });

  const tries = async (file, words, says) => {
    step = says;
    await page.getByLabel("Key file").setInputFiles(file);
    await page.getByLabel("Its passphrase").fill(words);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.locator("#unseal-problem").getByText(says).waitFor();
  };
  await tries(given.stranger, "", "S-7 is not sealed to this key.");
  await tries(given.locked, "", "This key file has a passphrase: type it.");
  await tries(given.locked, "wrong", "The key file does not open with this passphrase.");
  await tries(given.none, "", "This is no age key file");
  if (given.shots) await page.screenshot({ path: `${given.shots}/sealed-wrong.png`, fullPage: true });

  for (const [name, file, words] of [["a plain key file", given.plain, ""], ["a key file behind a passphrase", given.locked, given.words]]) {
    step = name;
    await page.getByLabel("Key file").setInputFiles(file);
    await page.getByLabel("Its passphrase").fill(words);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.getByText(/Open for you until \d\d:\d\d/).waitFor();
    await accessible(page, step);
    if (given.shots) await page.screenshot({ path: `${given.shots}/unsealed.png`, fullPage: true });
    await page.getByRole("link", { name: "Play" }).click();
    await page.locator(".ap-player").waitFor();
    await page.locator(".ap-player").click();
    await page.locator(".ap-player").getByText("flow 812").waitFor();
    await page.goto(given.url + "/recordings/S-7");
    await page.getByRole("button", { name: "Seal it again now" }).click();
    await page.getByText("S-7 is sealed again.").waitFor();
    await page.getByLabel("Key file").waitFor();
  }
  step = "what left the browser";
  const keys = posted.filter(([path]) => path === "/recordings/S-7/unseal");
  if (keys.length !== 2 || keys.some(([, body]) => body.length !== 32)) faults.push(`${step}: ${keys.map(([, b]) => b.length)} bytes`);
  for (const [path, body] of posted) {
    for (const secret of given.secrets) if (body.includes(secret)) faults.push(`${step}: a secret went to ${path}`);
  }
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
}
finish();
