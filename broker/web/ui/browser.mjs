// What both browser tests share: Debian's Chromium, and a report that fails.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const given = JSON.parse(readFileSync(0, "utf8"));
export const faults = [];
export const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function start(more = []) {
  return chromium.launch({
    timeout: 120000, // a busy machine takes its time; here and in the pages' waits
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", ...more],
  });
}

// axe through the debugger, so that the page's own policy stays in force.
export async function accessible(page, name, only) {
  await page.evaluate(axeSource);
  const found = await page.evaluate((only) => axe.run(document, { resultTypes: ["violations"], ...(only ? { runOnly: only } : {}) }), only);
  for (const v of found.violations) {
    faults.push(`${name}: axe ${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target + " " + n.failureSummary).join(" | ")}`);
  }
}

export function finish() {
  for (const f of faults) console.error(f);
  process.exitCode = faults.length ? 1 : 0;
}
