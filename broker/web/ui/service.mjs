// Signing in by a real OpenID provider in real Chromium: on another site, so that the cookies go as they would.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start();
let page; // to say where it stood
let step = "start";
const says = (page, text) => page.getByText(text).first().waitFor();
const as = (who) => fetch(given.provider + "/as/" + who).then((r) => { if (!r.ok) throw new Error(`the provider says ${r.status}`); });

try {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ignoreHTTPSErrors: true });
  page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${m.text()}`); });
  const shot = async (name) => { if (given.shots) await page.screenshot({ path: `${given.shots}/service-${name}.png`, fullPage: true }); };

  step = "an account that nobody linked";
  await as("eve-sub");
  await page.goto(given.url + "/requests");
  await page.getByRole("link", { name: "Sign in by Fjord login" }).click();
  await says(page, "is linked to nobody here yet");
  await says(page, "eve-sub");
  await shot("unlinked");
  await accessible(page, "sign-in");
  await context.clearCookies(); // at the provider she is signed in still

  step = "signing in";
  await as("mia-sub?groups=g-shift");
  await page.goto(given.url + "/requests");
  await page.getByRole("link", { name: "Sign in by Fjord login" }).click();
  await page.waitForURL(given.url + "/requests");
  await says(page, "Signed in: mia0.");

  step = "a yes is no matter of signing in";
  await page.goto(given.url + given.window);
  await page.getByRole("button", { name: "Open" }).click();
  await says(page, "Prove it by Fjord login instead");
  await shot("code");
  await page.getByRole("link", { name: "Prove it by Fjord login instead" }).click();
  await says(page, "Proved. It counts for five minutes");
  await page.goto(given.url + given.window);
  await page.getByRole("button", { name: "Open" }).click();
  await says(page, /open, ends/);

  step = "without the group";
  await context.clearCookies();
  await as("mia-sub?groups=others");
  await page.goto(given.url + "/sign-in");
  await page.getByRole("link", { name: "Sign in by Fjord login" }).click();
  await says(page, "did not bring the group of shift");
  await shot("narrow");

  step = "a step-up by less than was asked for";
  await context.clearCookies();
  await as("mia-sub?groups=g-shift&acr=pwd");
  await page.goto(given.url + "/sign-in");
  await page.getByRole("link", { name: "Sign in by Fjord login" }).click();
  await says(page, "Signed in: mia0.");
  await page.goto(given.url + "/sign-in/service?step=yes&next=%2F");
  await says(page, "Signing in by Fjord login did not work");
} catch (e) {
  faults.push(`${step}: ${e}\n${page?.url()}\n${await page?.locator("main").innerText().catch(() => "")}`);
}
await browser.close();
finish();
