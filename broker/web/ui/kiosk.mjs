// The control room's screen in real Chromium, with a client certificate in its
// own key store as `penstock kiosk new` and certutil put it there, and people's
// passkeys in a virtual authenticator: refused without a certificate, a yes by one
// tap, pause and go on, cut, block, island, and gone once it is revoked.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { accessible, faults, finish, given, start } from "./browser.mjs";

const home = mkdtempSync(join(tmpdir(), "penstock-kiosk-"));
let step = "start", wall, other;
const shot = async (page, name) => { if (given.shots) await page.screenshot({ path: `${given.shots}/screen-${name}.png` }); };

// screen is a browser whose person, the control room, has this certificate and key.
async function screen() {
  for (const [file, text] of [["key.pem", given.key], ["cert.pem", given.certificate]]) writeFileSync(join(home, file), text, { mode: 0o600 });
  const run = (c, ...a) => execFileSync(c, a, { cwd: home, stdio: "pipe" });
  run("openssl", "pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-name", "kiosk", "-out", "kiosk.p12", "-passout", "pass:");
  mkdirSync(join(home, ".pki", "nssdb"), { recursive: true });
  run("certutil", "-N", "--empty-password", "-d", `sql:${home}/.pki/nssdb`);
  run("pk12util", "-i", "kiosk.p12", "-d", `sql:${home}/.pki/nssdb`, "-W", "", "-K", "");
  // What the policy AutoSelectCertificateForUrls sets for a whole computer, for this profile alone.
  const choose = { [given.url + ",*"]: { setting: { filters: [{ ISSUER: { CN: "Penstock kiosk" } }] } } };
  mkdirSync(join(home, "profile", "Default"), { recursive: true });
  writeFileSync(join(home, "profile", "Default", "Preferences"), JSON.stringify({ profile: { content_settings: { exceptions: { auto_select_certificate: choose } } } }));
  return chromium.launchPersistentContext(join(home, "profile"), { timeout: 120000, executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    viewport: { width: 1440, height: 900 }, env: { ...process.env, HOME: home },
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--ignore-certificate-errors"] });
}

try {
  step = "no certificate";
  other = await start(["--ignore-certificate-errors"]);
  const stranger = await other.newPage();
  await stranger.goto(given.url + "/kiosk");
  await stranger.getByText("This page is for a screen of the control room.").waitFor();

  step = "the screen";
  wall = await screen();
  const page = await wall.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${m.text()}`); });
  const cdp = await wall.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "usb", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  await cdp.send("WebAuthn.addCredential", { authenticatorId, credential: { credentialId: given.mia.id, isResidentCredential: true, rpId: "localhost", privateKey: given.mia.key, userHandle: given.mia.user, signCount: 1 } });
  await page.goto(given.url + "/kiosk");
  const says = (text) => page.getByText(text).first().waitFor();
  const tap = async (name) => { await page.getByRole("button", { name }).first().click(); };
  await page.getByRole("link", { name: "Answer" }).waitFor();
  await accessible(page, "the screen");
  await shot(page, "board");
  if (await page.getByRole("button", { name: "Sign out" }).count()) faults.push(`${step}: somebody is signed in`);

  step = "a yes without a finger or PIN";
  await page.getByRole("link", { name: "Answer" }).click();
  await says("tap your key");
  await accessible(page, "a request at the screen");
  await shot(page, "request");
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await tap("Look only");
  await says("Nothing was signed, so nothing was done.");
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });

  step = "a yes by one tap";
  await tap("Look only");
  await says("Open. The clock runs.");
  if (new URL(page.url()).pathname !== "/kiosk") faults.push(`${step}: it shows ${page.url()}`);

  step = "pause, and go on by a tap";
  await tap("Pause");
  await says("Paused.");
  await page.getByRole("link", { name: "Go on" }).click();
  await accessible(page, "a window at the screen");
  await shot(page, "go-on");
  await tap(/^Go on, to/);
  await says("It goes on.");

  step = "cut";
  await tap("Cut");
  await says("Cut. Nobody of it is in.");

  step = "block";
  await page.getByRole("link", { name: "Block" }).click();
  await page.getByLabel("Whom or what").selectOption("person/ann");
  await page.getByLabel("Something looks wrong").check();
  await page.getByLabel("8 hours").check();
  await shot(page, "block");
  await tap("Block");
  await says("Blocked. Whoever was in by it is out.");

  step = "island";
  const island = page.getByRole("button", { name: /island Filling line 1/ });
  await island.hover();
  await page.mouse.down();
  await says("Island. Nobody is in, and nobody comes in");
  await page.mouse.up();
  await shot(page, "island");

  step = "revoked";
  const reply = await fetch(given.revoke, { method: "POST" });
  if (!reply.ok) throw new Error(await reply.text());
  await says("This screen is not enrolled, or not any more."); // without anybody's tap
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await Promise.all([wall?.close(), other?.close()]);
  rmSync(home, { recursive: true, force: true });
}
finish();
