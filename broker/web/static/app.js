// What moves. Without this script every page reads and decides all the same.
"use strict";
(() => {
  const holdFor = 1500; // ms

  // Countdowns: the text has one width, so nothing moves.
  const two = (n) => String(n).padStart(2, "0");
  function tick() {
    const now = Date.now() + ahead;
    for (const t of document.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.round((new Date(t.dataset.until) - now) / 60000));
      const text = left >= 2880 ? Math.floor(left / 1440) + " days" : Math.floor(left / 60) + ":" + two(left % 60);
      if (t.textContent !== text) t.textContent = text;
    }
  }
  // The plant's clock, not this machine's.
  const clock = document.querySelector("[data-clock]");
  const ahead = clock ? new Date(clock.getAttribute("datetime")) - Date.now() : 0;
  const zone = clock ? (clock.getAttribute("datetime").match(/([+-])(\d\d):(\d\d)$/) || []) : [];
  const offset = zone.length ? (zone[1] === "-" ? -1 : 1) * (zone[2] * 60 + +zone[3]) : 0;
  function showClock() {
    if (!clock) return;
    const there = new Date(Date.now() + ahead + offset * 60000);
    clock.textContent = two(there.getUTCHours()) + ":" + two(there.getUTCMinutes());
    const yours = document.querySelector("[data-clock-yours]"), here = new Date(Date.now() + ahead);
    if (yours) yours.textContent = two(here.getHours()) + ":" + two(here.getMinutes());
  }
  setInterval(() => { tick(); showClock(); }, 5000);

  // Where this clock stands, so that the next page can say its times too.
  const zoneHere = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zoneHere) document.cookie = "__Host-penstock-zone=" + zoneHere + "; Path=/; Max-Age=31536000; Secure; SameSite=Strict";

  // On a phone the row of pages is longer than the screen: it shows the one that is open.
  const here = document.querySelector(".tabs [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

  // News: the page asks for itself again and takes over its parts. Where
  // somebody is writing or has a sheet open it only says so.
  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select") ||
    part.querySelector(".holding") || [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((f) => f.value !== f.defaultValue) ||
    part.querySelector(".answer details[open]");
  // What is the same stays where it is, keeps its focus and is not read out again.
  // A form that has changed is another form: a tap in the old one meant the old text.
  function renew(part, next) {
    const old = [...part.childNodes], fresh = [...next.childNodes];
    while (old.length && fresh.length && old[0].isEqualNode(fresh[0])) { old.shift(); fresh.shift(); }
    let after = null; // the first of what stays behind the changed middle
    while (old.length && fresh.length && old.at(-1).isEqualNode(fresh.at(-1))) { after = old.pop(); fresh.pop(); }
    if (old.length !== fresh.length) { // something has come or gone
      let at = 0;
      for (const is of fresh) {
        const same = is.nodeType === Node.ELEMENT_NODE ? old.findIndex((was, i) => i >= at && was.isEqualNode(is)) : -1;
        if (same < 0) { part.insertBefore(is, old[at] ?? after); continue; }
        old.slice(at, same).forEach((was) => was.remove());
        at = same + 1;
      }
      old.slice(at).forEach((was) => was.remove());
      return;
    }
    old.forEach((was, i) => {
      const is = fresh[i];
      if (was.nodeType !== Node.ELEMENT_NODE || was.nodeName !== is.nodeName || was.nodeName === "FORM") { was.replaceWith(is); return; }
      for (const a of [...was.attributes]) if (a.name !== "open" && !is.hasAttribute(a.name)) was.removeAttribute(a.name);
      for (const a of is.attributes) if (a.name !== "open") was.setAttribute(a.name, a.value);
      renew(was, is);
    });
  }
  // sheets are the foldable parts, each by its words: the second "Take out" is not the first.
  function sheets(part) {
    const seen = {};
    return [...part.querySelectorAll("details")].map((d) => {
      const words = d.querySelector("summary")?.textContent;
      seen[words] = (seen[words] ?? 0) + 1;
      return [words + seen[words], d];
    });
  }
  function take(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.getElementById(part.id);
      if (!next || next.innerHTML === part.innerHTML) continue;
      if (busy(part)) { document.getElementById("changed").hidden = false; continue; }
      const open = new Map(sheets(part).map(([name, d]) => [name, d.open]));
      const focus = document.activeElement && part.contains(document.activeElement) ? document.activeElement : null;
      renew(part, next);
      for (const [name, d] of sheets(part)) if (open.has(name)) d.open = open.get(name);
      if (focus && !focus.isConnected) [...part.querySelectorAll("a, button, summary")].find((e) => e.textContent === focus.textContent)?.focus();
    }
    const go = document.querySelector("[data-go]"); // who was waited for has come in
    if (go) location.assign(go.dataset.go);
    tick();
  }
  const home = document.body.dataset.home; // of a screen that nobody is signed in to
  async function refresh() {
    const answer = await fetch(location.href, { headers: { "Penstock-Refresh": "1" }, credentials: "same-origin", redirect: "error" });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.status === 403 && home) { location.reload(); return; } // this screen is not enrolled any more
    if (!answer.ok) throw new Error(answer.status);
    take(await answer.text());
  }
  // A screen that nobody is signed in to goes back to its board by itself, and does not say for ever what was done.
  if (home) {
    let idle = Date.now();
    for (const e of ["pointerdown", "keydown"]) addEventListener(e, () => { idle = Date.now(); });
    if (location.pathname !== home) setInterval(() => { if (Date.now() - idle > 180000) location.assign(home); }, 5000);
    else if (location.search) setTimeout(() => history.replaceState(null, "", home), 20000);
  }
  if (document.body.dataset.every) {
    let missed = 0; // an old board on a wall must say that it is old
    const still = document.getElementById("still");
    setInterval(() => refresh().then(() => { missed = 0; }, () => { missed++; }).finally(() => { if (still) still.hidden = missed < 3; }), document.body.dataset.every * 1000);
  }
  const stream = document.body.dataset.live;
  if (stream && window.EventSource) {
    const news = new EventSource(stream);
    let running = false, again = false;
    const look = async (e) => {
      if (running) { again = true; return; }
      running = true;
      const spread = e ? +e.data : 0; // where many watch, each looks at a moment of its own
      if (spread) await new Promise((done) => setTimeout(done, Math.random() * spread));
      try { await refresh(); } catch { /* the next event tries again */ }
      running = false;
      if (again) { again = false; look(); }
    };
    news.addEventListener("changed", look);
    news.addEventListener("parts", (e) => take(JSON.parse(e.data)));
    news.addEventListener("error", () => { // refused, and not tried again by the browser
      if (news.readyState === EventSource.CLOSED) document.getElementById("still").hidden = false;
    });
    news.addEventListener("over", () => { news.close(); location.reload(); });
    addEventListener("pagehide", () => news.close());
  }

  // Hold to confirm: by finger, mouse or key. A short tap goes to a page that asks.
  let timer = 0;
  function holdBegins(button) {
    if (timer) return;
    button.classList.add("holding");
    timer = setTimeout(() => {
      const sure = document.createElement("input");
      sure.type = "hidden"; sure.name = button.dataset.hold; sure.value = "yes"; sure.dataset.held = "";
      button.form.append(sure);
      button.form.requestSubmit(button);
    }, +button.dataset.holdMs || holdFor);
  }
  function holdEnds() {
    clearTimeout(timer); timer = 0;
    document.querySelectorAll(".holding").forEach((b) => b.classList.remove("holding"));
  }
  const holds = (e) => e.target.closest && e.target.closest("button[data-hold]");
  addEventListener("pointerdown", (e) => { const b = holds(e); if (b && e.button === 0) holdBegins(b); });
  for (const end of ["pointerup", "pointercancel", "blur", "keyup"]) addEventListener(end, holdEnds);
  addEventListener("keydown", (e) => {
    const b = holds(e);
    if (b && e.key === " ") holdBegins(b); // Enter is a short tap
  });
  addEventListener("contextmenu", (e) => { if (holds(e)) e.preventDefault(); }); // a long press on a phone

  // One tap is one tap.
  addEventListener("submit", (e) => {
    const form = e.target;
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
})();
