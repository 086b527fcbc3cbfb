// Every page of the gallery, as people meet it.
import { accessible, faults, finish, given, start } from "./browser.mjs";

// A small phone is also a desk at 400 % (WCAG 2.2, 1.4.10).
const sizes = { phone: { width: 390, height: 844 }, small: { width: 320, height: 640 }, desk: { width: 1440, height: 900 } };
const looks = [["phone", "light"], ["small", "dark"], ["desk", "light"], ...(given.shots ? [["desk", "dark"]] : [])];

// markup finds what text has no business to be.
function markup() {
  const found = [];
  for (const e of document.querySelectorAll("*")) {
    if (["IMG", "IFRAME", "STYLE", "OBJECT", "EMBED"].includes(e.tagName) || e.tagName === "SCRIPT" && e.textContent) found.push(`an element ${e.tagName}`);
    for (const a of e.attributes) {
      if (a.name.startsWith("on") || a.name === "style") found.push(`${e.tagName} ${a.name} is inline`);
      if (["href", "action", "src", "formaction"].includes(a.name) && !a.value.startsWith("tel:") && new URL(a.value, location).origin !== location.origin) found.push(`${e.tagName} leaves the site: ${a.value}`);
    }
  }
  // Enter in a field presses the first button: where it is one of several that say different things, it must be off.
  for (const form of document.forms) {
    const presses = [...form.elements].filter((e) => e.type === "submit");
    const writes = [...form.elements].some((e) => e.matches("input:not([type=hidden]):not([type=checkbox]):not([type=radio]):not([type=file])"));
    if (writes && presses.length > 1 && presses[0].name && !presses[0].disabled) found.push(`Enter in ${form.getAttribute("action")} says ${presses[0].textContent}`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const n = texts.currentNode;
    if (!n.data.includes("\u202e")) continue;
    const inner = n.parentElement;
    const alone = (e) => ["isolate", "isolate-override", "plaintext"].includes(getComputedStyle(e).unicodeBidi);
    if (!alone(inner) && !inner.closest("option")) found.push(`not isolated: ${inner.tagName}.${inner.className} in ${inner.parentElement.outerHTML.slice(0, 120)}`);
  }
  return found;
}

const browser = await start();
try {
  await Promise.all(looks.map(async ([size, scheme]) => {
    const context = await browser.newContext({ viewport: sizes[size], colorScheme: scheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    let name = "";
    page.on("pageerror", (e) => faults.push(`${name}: error in the page: ${e}`));
    page.on("dialog", (d) => { faults.push(`${name}: a dialog`); d.dismiss(); });
    page.on("console", (m) => { if (m.type() === "error" && !m.text().includes("404")) faults.push(`${name}: console: ${m.text()}`); });
    for (const [i, p] of given.pages.entries()) {
      const hostile = p.startsWith("hostile-");
      if (p.endsWith("once-more") || p.endsWith("go-on") || hostile && (size !== "phone" || scheme !== "light")) continue;
      // The dark colours are a dozen tokens: every third page is seen in them, and all when somebody takes pictures to look at.
      if (scheme === "dark" && i % 3 !== 0 && !given.shots) continue;
      name = `${p}-${size}-${scheme}`;
      await page.goto(`${given.url}/gallery/${p}`, { waitUntil: "load" });
      if (!hostile && await page.$("#operations")) await page.waitForSelector("#operations li", { state: "attached" });
      if (await page.evaluate(() => "pwned" in window)) faults.push(`${name}: hostile text ran as a script`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) faults.push(`${name}: ${over} px wider than the screen`);
      faults.push(...(await page.evaluate(markup)).map((f) => `${name}: ${f}`));
      if (hostile) continue;
      // At a desk stands what stands on a phone, beside each other: axe sees that only with pictures.
      if (given.shots || size !== "desk") await accessible(page, name, scheme === "dark" ? ["color-contrast"] : undefined);
      const small = await page.$$eval("button, .button, summary, .tabs a, a.id, .channels a, .links a, label.tick, input:not([type=hidden]):not([type=checkbox]):not([type=radio]), select", (all) => all.filter((e) => e.offsetParent && e.getBoundingClientRect().height < 43.5).map((e) => e.textContent.trim()));
      if (small.length) faults.push(`${name}: too small to tap: ${small}`);
      if (given.shots) await page.screenshot({ path: `${given.shots}/${name}.png`, fullPage: true });
    }
    await context.close();
  }));
} finally {
  await browser.close();
}
finish();
