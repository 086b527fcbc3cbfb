// One job on phones, from the invitation to the recording, in the demo's plant:
// stock ssh and real Chromium. On its standard input is what `penstock demo
// --json` says, as {"demo": …, "shots": FOLDER}; shots are the README's pictures.
import { execFile, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { accessible, faults, finish, given, start } from "./browser.mjs";

const demo = given.demo;
const scratch = mkdtempSync(join(tmpdir(), "penstock-phone-"));
const browser = await start();
let step = "start";
const log = (s) => { step = s };

// ---- people ----

const cast = Object.fromEntries(demo.people.map((p) => [p.name, p]));
const ben = { name: "ben", password: "four quiet copper kettles", config: join(scratch, "config"), secret: "", spent: 0, invitation: "" };

// code is one that was not given yet (RFC 6238; RFC 4226 5.3).
async function code(who) {
  if (who !== ben) return (await promisify(execFile)(who.code[0], who.code.slice(1))).stdout.trim();
  const step = Math.max(ben.spent + 1, Math.floor((Date.now() / 1000 + 6) / 30) - 1);
  const wait = (step - 1) * 30000 - Date.now();
  if (wait > 0) await new Promise((done) => setTimeout(done, wait)); // as a person waits for the next one
  ben.spent = step;
  const bits = [...ben.secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(count).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, "0");
}

// type runs one line on a terminal of Ben's and answers what it asks. Turns are
// what he types by himself: [after what, text]; shown is told all that he sees.
function type(line, { turns = [], shown = () => {} } = {}) {
  let all = "", last = "", busy = false;
  const run = spawn("script", ["-qefc", `stty rows 24 cols 80; ${line}`, "/dev/null"], { cwd: demo.dir, env: { ...process.env, TERM: "xterm" } });
  const limit = setTimeout(() => { all += "\n(nothing more for 180 s)"; run.kill(); }, 180000);
  const ended = new Promise((done) => run.on("close", (code) => { clearTimeout(limit); done({ code, text: all }); }));
  const answer = async () => {
    if (busy) return;
    busy = true;
    const secret = all.match(/secret=([A-Z2-7]{16,})/);
    if (secret) ben.secret = secret[1];
    let reply;
    if (turns.length && last.includes(turns[0][0])) reply = turns.shift()[1];
    else if (/invitation[^\n]*: $/i.test(last)) reply = ben.invitation + "\r";
    else if (/(password|once more)[^\n]*: $/i.test(last)) reply = ben.password + "\r";
    else if (/code[^\n]*: $/i.test(last)) { last = ""; reply = await code(ben) + "\r"; }
    if (reply !== undefined) { last = ""; run.stdin.write(reply); }
    busy = false;
    if (reply === undefined && last) shown(all);
  };
  run.stdout.on("data", (b) => { all += b; last += b; answer(); });
  run.on("error", (e) => faults.push(`${step}: ${line}: ${e}`));
  return { ended, kill: () => run.kill() };
}

async function types(line, want, options) {
  const { code, text } = await type(line, options).ended;
  if (code !== 0 || want && !text.includes(want)) throw new Error(`${line}: exit code ${code}\n${text}`);
  return text;
}

async function phone(who, { desk = false, dark = false } = {}) {
  const context = await browser.newContext({ viewport: desk ? { width: 1440, height: 900 } : { width: 390, height: 844 }, hasTouch: !desk, isMobile: !desk, ignoreHTTPSErrors: true,
    colorScheme: dark ? "dark" : "light", timezoneId: who === ben ? "America/New_York" : "Europe/Berlin", reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (e) => faults.push(`${step}: ${who.name}: error in the page: ${e}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) faults.push(`${step}: ${who.name}: ${m.text()}`); });
  await page.goto(demo.broker.https + "/");
  await page.getByLabel("Name").fill(who.name);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in:").waitFor();
  return page;
}

// give fills in the code where one is asked for.
async function give(form, who) {
  const field = form.getByLabel("Code");
  if (await field.isVisible()) await field.fill(await code(who));
}

async function picture(page, name) {
  await accessible(page, name);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) faults.push(`${step}: ${name} is ${over} px wider than the screen`);
  if (given.shots) await page.screenshot({ path: `${given.shots}/${name}.png` });
}

const numbers = (text, letter) => text.match(new RegExp(`\\b${letter}-\\d+`))[0];

// ---- the job ----

try {
  log("Jan, the sponsor, invites Ben on his phone");
  const jan = await phone(cast.jan);
  await jan.goto(demo.broker.https + "/people");
  const invite = jan.locator('form[action="/people/invite"]');
  await invite.getByLabel("Firm").selectOption("krall");
  await invite.getByLabel("Name", { exact: true }).fill("Ben Ito");
  await invite.getByLabel("Short name").fill("ben");
  await invite.getByLabel("Phone").fill("+49 431 555 0122");
  await give(invite, cast.jan);
  await invite.getByRole("button", { name: "Invite" }).click();
  ben.invitation = (await jan.locator(".secret").textContent()).trim();

  log("Ben brings his key with stock ssh");
  await promisify(execFile)("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(scratch, "id_ed25519")]);
  writeFileSync(ben.config, readFileSync(cast.ann.ssh_config, "utf8").replaceAll("ann", "ben").replace(/IdentityFile .*/, `IdentityFile ${join(scratch, "id_ed25519")}`));
  const print = (await promisify(execFile)("ssh-keygen", ["-lf", join(scratch, "id_ed25519.pub")])).stdout.split(" ")[1];
  await types(`ssh -F ${ben.config} join@broker`, print);

  log("Jan compares the fingerprint, and confirms");
  await jan.goto(demo.broker.https + "/people");
  const waits = jan.locator("li.you", { hasText: print });
  await waits.waitFor();
  await waits.getByRole("button", { name: "It is the same" }).click();
  await waits.waitFor({ state: "detached" });
  await types(`ssh -t -F ${ben.config} desk@broker totp`);
  await types(`ssh -t -F ${ben.config} desk@broker password`);

  log("Ben asks, on his phone in New York");
  const mia = await phone(cast.mia);
  await mia.getByRole("heading", { name: "Board" }).waitFor();
  const his = await phone(ben);
  await his.goto(demo.broker.https + "/requests/new");
  await his.getByLabel("Ben Ito").check();
  await his.locator('input[value="filler-plc/ssh/recipes"]').check();
  for (const right of ["copy", "set"]) await his.locator(`input[name=right][value=${right}]`).check();
  await his.getByText("Work order, change, way back").click();
  await his.locator("[name=work_order]").fill("WO 88-1204");
  await his.locator("[name=reason]").fill("Alarm F-417, fill volume drifts");
  await his.getByRole("button", { name: "Ask", exact: true }).click();
  await his.getByText("waits for an answer").waitFor();
  if (!(await his.locator("main").textContent()).includes("for you)")) faults.push(`${step}: the page says the plant's hour only`);
  const request = numbers(his.url(), "R");

  log("the board moves by itself; Olaf, who owns the line, says yes in the night");
  await mia.getByRole("link", { name: request }).waitFor();
  const olaf = await phone(cast.olaf);
  await olaf.getByText("asks you").waitFor();
  await picture(olaf, "board-phone");
  await olaf.getByRole("link", { name: request }).click();
  await olaf.getByRole("heading", { name: "wants to CHANGE VALUES on the" }).waitFor();
  for (const text of ["The machine stops everything else.", "whom rule set asks"]) await olaf.getByText(text).waitFor();
  if (await olaf.getByRole("link", { name: "Call Ben" }).getAttribute("href") !== "tel:+494315550122") faults.push(`${step}: nobody can call Ben`);
  const yes = olaf.getByRole("button", { name: "Yes, as asked" });
  await give(olaf.locator("#yes"), cast.olaf);
  const box = await yes.boundingBox();
  if (box.y + box.height > 844) faults.push(`${step}: the button ends at ${box.y + box.height} px, below the first screen`);
  await picture(olaf, "request-phone");
  await yes.click();
  await olaf.getByText(/^Agreed\. The shift opens it then\./).waitFor();
  const window = numbers(await olaf.locator("main").textContent(), "W");
  if ((await his.locator("body").textContent()).includes("5550122")) faults.push(`${step}: a number on a vendor's page`);

  log("Mia opens it");
  await mia.goto(`${demo.broker.https}/windows/${window}`);
  const open = mia.locator(`form[action="/windows/${window}/open"]`);
  await give(open, cast.mia);
  await open.getByRole("button", { name: /^Open for/ }).click();
  await mia.getByText(/^Open\. Ends/).waitFor();

  log("Ben works in it, by stock ssh");
  await types(`scp -F ${ben.config} cert@broker:${window} ${join(scratch, "id_ed25519-cert.pub")}`);
  let sees;
  const inside = new Promise((done) => { sees = done; });
  const terminal = type(`ssh -tt -F ${ben.config} ben+recipes+filler-plc@broker`,
    { turns: [["filler> ", "show alarms\r"]], shown: (all) => { if (/alarm/i.test(all.split("show alarms")[1] ?? "") && all.endsWith("filler> ")) sees(); } });
  const done = await Promise.race([inside, terminal.ended]);
  if (done) throw new Error(`his session ended: ${done.text}`);

  log("Mia sees him in, on the wall and on the phone, and ends it");
  const wall = await phone(cast.mia, { desk: true });
  await wall.getByText("a shell on FIL-1-PLC-01 as recipes").waitFor();
  await picture(wall, "board-desk");
  await mia.goto(`${demo.broker.https}/windows/${window}`);
  await mia.getByText("a shell on FIL-1-PLC-01 as recipes").waitFor();
  await picture(mia, "window-phone");
  await mia.getByRole("link", { name: "Watch" }).first().click();
  await mia.locator(".ap-player").getByText("show alarms").waitFor();
  await picture(mia, "watch-phone");
  await mia.goto(`${demo.broker.https}/windows/${window}`);
  await mia.getByRole("button", { name: "End now" }).click();
  const end = await terminal.ended;
  if (!/ended by/.test(end.text)) faults.push(`${step}: his terminal says ${end.text.slice(-300)}`);
  await mia.getByRole("heading", { name: /hand-back missing/ }).waitFor();

  log("Ben hands back, Mia takes it");
  await types(`ssh -F ${ben.config} desk@broker handback ${window} '"Looked at the alarms, changed nothing: the volume is 12 ml high"'`);
  await mia.getByRole("button", { name: "I take it" }).click();
  await mia.getByRole("heading", { name: /closed/ }).waitFor();

  log("OT security plays the recording, and looks at the log");
  const lena = await phone(cast.lena);
  await lena.goto(demo.broker.https + "/recordings");
  await lena.locator("main li a").first().click();
  await lena.getByRole("link", { name: "Play" }).click();
  await lena.locator("#player .ap-player").waitFor();
  await lena.locator("#player .ap-player").click();
  await lena.locator("#player").getByText(/alarm/i).first().waitFor();
  await picture(lena, "player-phone");
  await lena.goto(demo.broker.https + "/log");
  await lena.getByText("took the hand-back").waitFor();
  await accessible(lena, "log");
} catch (e) {
  faults.push(`${step}: ${e}`);
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true, force: true });
}
finish();
