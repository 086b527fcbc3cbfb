import { create } from "asciinema-player";

// The player of the recording page: the recorded terminal, a timeline of the
// log's events below it, and beside it the events themselves, each of which
// leads to its moment. Seconds in the page are the recording's own; where idle
// time is skipped, the player's are fewer, and moment() and played() translate.
const place = document.getElementById("player");
if (place) play().catch(() => { document.getElementById("broken").hidden = false; });

async function play() {
  const id = (name) => document.getElementById(name);
  const answer = await fetch(place.dataset.cast, { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) throw new Error("no recording");
  const cast = await answer.text();
  const marks = [...document.querySelectorAll("#marks [data-second]")];
  const second = (m) => Math.max(0, +m.dataset.second);
  const times = timesOf(cast);
  const end = Math.max(times.at(-1) ?? 0, ...marks.map(second), 0.001);
  let player, runs = false, speed = 1, at = +(place.dataset.from ?? 0);

  const limit = () => (id("idle").checked ? 2 : Infinity);
  const walk = (take) => {
    let raw = 0, short = 0;
    for (const t of times) {
      const step = Math.min(t - raw, limit());
      if (take(raw, t, short, short + step)) return;
      raw = t; short += step;
    }
    take(raw, Infinity, short, Infinity);
  };
  const played = (moment) => { // the recording's second as the player counts
    let found = 0;
    walk((r0, r1, s0, s1) => { if (moment < r1) { found = Math.min(s0 + moment - r0, s1); return true; } });
    return found;
  };
  const moment = (played) => {
    let found = 0;
    walk((r0, r1, s0, s1) => { if (played < s1) { found = Math.min(r0 + played - s0, r1); return true; } });
    return found;
  };

  const make = (from, autoPlay) => {
    player?.dispose();
    player = create({ data: cast }, place, {
      fit: "width", idleTimeLimit: id("idle").checked ? 2 : undefined, preload: true, speed, autoPlay, startAt: played(from),
      terminalFontFamily: "ui-monospace, monospace", markers: marks.map((m) => [second(m), m.dataset.label]),
    });
    const now = (is) => () => { runs = is; id("go").textContent = is ? "Pause" : "Play"; };
    player.addEventListener("playing", now(true));
    for (const e of ["pause", "ended"]) player.addEventListener(e, now(false));
    player.addEventListener("error", () => { id("broken").hidden = false; });
  };
  const here = async () => moment(Number(await player.getCurrentTime()) || 0);
  const again = async () => { const from = await here(); make(from, runs); };
  const seek = (s) => { at = s; id("second").value = s.toFixed(1); return player.seek(played(s)); };
  const jump = async (forward) => {
    const now = await here();
    const shown = marks.filter((m) => !m.closest("li").hidden).map(second);
    const next = forward ? shown.find((s) => s > now + 0.3) : shown.findLast((s) => s < now - 0.3);
    if (next !== undefined) seek(next);
  };
  make(at, false);

  // The timeline: a sign for each event that is shown.
  const line = id("timeline");
  const draw = () => {
    line.replaceChildren(...marks.filter((m) => !m.closest("li").hidden).map((m) => {
      const dot = document.createElement("span");
      dot.textContent = m.dataset.sign;
      dot.className = m.closest("li").className;
      dot.style.left = (100 * second(m) / end) + "%";
      dot.addEventListener("click", (e) => { e.stopPropagation(); seek(second(m)); });
      return dot;
    }));
  };
  line.addEventListener("click", (e) => { const box = line.getBoundingClientRect(); seek(end * Math.min(1, Math.max(0, (e.clientX - box.left) / box.width))); });
  let only = "";
  const filter = () => {
    const words = id("find").value.toLowerCase();
    for (const m of marks) {
      const li = m.closest("li");
      li.hidden = (only !== "" && !li.classList.contains(only)) || !li.textContent.toLowerCase().includes(words);
    }
    draw();
  };
  const filters = [...document.querySelectorAll("[data-only]")];
  for (const b of filters) b.addEventListener("click", () => { only = b.dataset.only; for (const o of filters) o.setAttribute("aria-pressed", String(o === b)); filter(); });
  id("find").addEventListener("input", filter);
  filter();

  for (const m of marks) m.addEventListener("click", () => seek(second(m)));
  const toggle = () => (runs ? player.pause() : player.play());
  id("go").addEventListener("click", toggle);
  id("before").addEventListener("click", () => jump(false));
  id("after").addEventListener("click", () => jump(true));
  id("fast").addEventListener("click", () => { speed = speed === 1 ? 2 : 1; id("fast").setAttribute("aria-pressed", String(speed === 2)); again(); });
  id("idle").addEventListener("change", async () => {
    id("idle").checked = !id("idle").checked; // the moment is counted as it was played
    const from = await here();
    id("idle").checked = !id("idle").checked;
    make(from, runs);
  });
  id("note")?.addEventListener("focus", async () => { id("second").value = (await here()).toFixed(1); });
  for (const name of ["controls", "filters"]) id(name).hidden = false;
  keys({ " ": toggle, ArrowLeft: () => jump(false), ArrowRight: () => jump(true), "/": () => id("find").focus(), n: () => id("note")?.focus(),
    ...Object.fromEntries(["1", "2", "3"].map((k) => [k, () => document.querySelector(`[data-key="${k}"]`)?.focus()])) });
  prove();
}

// timesOf are the seconds of a cast's events (asciicast v3: intervals), in order.
function timesOf(cast) {
  const times = [];
  let at = 0;
  for (const line of cast.split("\n").slice(1)) {
    if (!line.startsWith("[")) continue;
    const step = parseFloat(line.slice(1));
    if (step >= 0) times.push(at += step);
  }
  return times;
}

// keys work everywhere but where somebody writes; space also not on what it presses.
function keys(does) {
  document.addEventListener("keydown", (e) => {
    const on = e.target.closest?.("input:not([type=checkbox]), textarea, select");
    const pressed = e.key === " " && e.target.closest?.("button, summary, a, input");
    if (on || pressed || e.ctrlKey || e.metaKey || e.altKey || !(e.key in does)) return;
    e.preventDefault();
    e.stopPropagation();
    does[e.key]();
  }, true);
}

// prove has the broker check this recording against the log, and says what it found.
async function prove() {
  const to = document.getElementById("proved");
  if (!to) return;
  try {
    const answer = await fetch(to.dataset.proof, { credentials: "same-origin", redirect: "error" });
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("proof");
    if (answer.ok && found) to.replaceChildren(...found.childNodes);
  } catch { /* the link stands */ }
}

// The watch page: what the broker has recorded of a channel from its first byte
// on, and then goes on recording, as it comes. A line of JSON each.
const screen = document.getElementById("screen");
if (screen) {
  const state = document.getElementById("watch-state");
  const stop = new AbortController();
  addEventListener("pagehide", () => stop.abort());
  // Where the line broke, a tap looks again, from the first byte: nothing is spliced.
  const over = (text, again) => {
    state.textContent = text + " ";
    if (!again) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Watch again";
    button.addEventListener("click", () => location.reload());
    state.append(button);
  };
  const watch = async (take) => {
    let ended = false;
    try {
      const answer = await fetch(screen.dataset.watch, { credentials: "same-origin", redirect: "error", signal: stop.signal });
      if (!answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        over(page.querySelector("main p")?.textContent ?? "It cannot be watched now.", true);
        return;
      }
      state.textContent = "legible" in screen.dataset ? "Live, from the first byte." : "Live.";
      const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await text.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const l = JSON.parse(line);
          if (l.mark === "end" || l.mark === "out") { ended = true; over(l.text, false); }
          take(l);
        }
      }
      if (!ended) over("The line broke.", true);
    } catch (e) {
      if (!stop.signal.aborted) over("The line broke.", true);
    }
  };
  if ("legible" in screen.dataset) terminal(screen.firstElementChild, watch); else counters(watch);
}

// terminal shows output as their terminal does. Without a terminal on their
// side a line feed alone begins a line, as their shell shows it.
function terminal(place, watch) {
  const utf8 = new TextDecoder();
  const bytes = (b64) => Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));
  let pty = false, last = "", at = 0;
  const driver = ({ dispatch }) => ({
    play: () => {
      dispatch("play");
      dispatch("reset", { size: { cols: 80, rows: 24 } });
      dispatch("playing");
      watch((l) => {
        if (l.at) at = l.at;
        if (l.mark === "r") { pty = true; dispatch("resize", { cols: Math.min(l.cols, 1000), rows: Math.min(l.rows, 500) }); }
        if (l.mark === "o") {
          let text = utf8.decode(bytes(l.data), { stream: true });
          if (!pty) text = text.replace(/\r?\n/g, (m, i) => (i === 0 && last === "\r" ? "\n" : "\r\n"));
          last = text.slice(-1) || last;
          dispatch("output", text);
        }
      });
      return true;
    },
    stop: () => {},
    getTiming: () => ({ time: at, rate: 0 }),
  });
  create(driver, place, { autoPlay: true, controls: false, fit: "width", terminalFontFamily: "ui-monospace, monospace" });
}

function counters(watch) {
  const words = (n) => (n < 1e4 ? n + " bytes" : n < 1e7 ? Math.floor(n / 1e3) + " kB" : Math.floor(n / 1e6) + " MB");
  const show = (id, now, was) => { document.getElementById(id).textContent = words(now) + (was === undefined ? "" : ", " + words(now - was) + " a second"); };
  let before;
  watch((l) => {
    if (l.mark !== "p") return;
    show("passed-in", l.in ?? 0, before?.in);
    show("passed-out", l.out ?? 0, before?.out);
    before = { in: l.in ?? 0, out: l.out ?? 0 };
  });
}
