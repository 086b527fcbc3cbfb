// A passkey in real Chromium with its virtual authenticator: made on the page,
// vouched for, signed in with, and a yes signed with it by one tap.
import { accessible, faults, finish, given, start } from "./browser.mjs";

const browser = await start(["--ignore-certificate-errors"]); // no passkeys where the certificate is not trusted
let step = "start";

async function person(cookie) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ignoreHTTPSErrors: true });
  if (cookie) await context.addCookies([{ name: "__Host-penstock", value: cookie, url: given.url, secure: true, httpOnly: true, sameSite: "Strict" }]);
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${m.text()}`); });
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal", hasResidentKey: true,
    hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  return { context, page, cdp, authenticatorId };
}

const says = (p, text) => p.page.getByText(text).first().waitFor();
const shot = async (p, name) => { if (given.shots) await p.page.screenshot({ path: `${given.shots}/passkey-${name}.png`, fullPage: true }); };

async function enrol(p, name) {
  await p.page.goto(given.url + "/keys");
  await p.page.getByLabel("Name of the device").fill(name);
  await p.page.getByRole("button", { name: "Add a passkey" }).click();
  await shot(p, name + "-making");
  await p.page.getByRole("button", { name: "Make the passkey" }).click();
}

try {
  // Lena has a passkey that the test has enrolled for her authenticator: it counts.
  step = "lena's own passkey";
  const lena = await person(given.lena);
  await enrol(lena, "laptop");
  await says(lena, "The passkey is here. It counts once somebody");
  await accessible(lena.page, "keys");
  await fetchGo(given.vouch + "lena"); // Sven, who has a key of the bootstrap file

  // Mia makes hers; it waits, and signs nothing.
  step = "mia's passkey";
  const mia = await person(given.mia);
  await enrol(mia, "phone");
  await says(mia, "waits for somebody to vouch for it");
  await shot(mia, "waits");

  // One authenticator is one person's: with Mia's credential in it, it makes none for another.
  step = "one authenticator for two";
  const olaf = await person(given.olaf);
  const { credentials } = await mia.cdp.send("WebAuthn.getCredentials", { authenticatorId: mia.authenticatorId });
  for (const credential of credentials) await olaf.cdp.send("WebAuthn.addCredential", { authenticatorId: olaf.authenticatorId, credential });
  await enrol(olaf, "shared");
  await says(olaf, "One device is one person's");
  await olaf.context.close();

  // Lena vouches with her own passkey, on her page.
  step = "vouching";
  await lena.page.goto(given.url + "/people");
  await shot(lena, "people");
  await lena.page.locator("#vouch li", { hasText: "phone" }).getByRole("button", { name: "It is theirs: sign for it" }).click();
  await says(lena, "Vouched for.");

  // Mia signs in with it, without name, password and code.
  step = "signing in";
  const night = await person();
  for (const credential of credentials) await night.cdp.send("WebAuthn.addCredential", { authenticatorId: night.authenticatorId, credential });
  await night.page.goto(given.url + given.request);
  await shot(night, "sign-in");
  await night.page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await says(night, "wants to");
  await shot(night, "request");
  await accessible(night.page, "request");

  // Without user verification the authenticator's word is refused.
  step = "a yes without user verification";
  await night.cdp.send("WebAuthn.setUserVerified", { authenticatorId: night.authenticatorId, isUserVerified: false });
  await night.page.getByRole("button", { name: given.look }).click();
  await says(night, "Nothing was signed, so nothing was done.");
  await night.cdp.send("WebAuthn.setUserVerified", { authenticatorId: night.authenticatorId, isUserVerified: true });

  // One tap: signed, agreed, open; also where the page draws itself anew meanwhile.
  step = "one tap";
  await night.page.evaluate(() => {
    const get = navigator.credentials.get.bind(navigator.credentials);
    navigator.credentials.get = (o) => {
      const part = document.getElementById("request");
      part.replaceWith(part.cloneNode(true));
      return get(o);
    };
  });
  await night.page.getByRole("button", { name: given.look }).click();
  await says(night, "Open. Ends");
  await shot(night, "open");
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
}
finish();

async function fetchGo(url) {
  const reply = await fetch(url, { method: "POST" });
  if (!reply.ok) throw new Error(`${url}: ${reply.status} ${await reply.text()}`);
}
