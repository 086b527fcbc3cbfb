import { create } from "asciinema-player";

// The player of the recording page: the recorded terminal, a bar that seeks,
// a timeline of the log's events below it, and beside it the events themselves,
// each of which leads to its moment. The recording comes in pieces, as it is
// played: what is held of it does not grow with its length.
const place = document.getElementById("player");
if (place) play().catch(broken);

function broken(e) {
  if (e) console.warn(e);
  document.getElementById("broken").hidden = false;
}

async function play() {
  const id = (name) => document.getElementById(name);
  const tape = pieces(place.dataset.playing);
  const marks = [...document.querySelectorAll("#marks [data-second]")];
  const second = (m) => Math.max(0, +m.dataset.second);
  let runs = false, speed = 1, at = +(place.dataset.from ?? 0); // seconds from the channel's first frame
  let heard = at; // when something came last: a silence is counted from there

  const clock = (s) => [s / 3600, s / 60 % 60, s % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":").replace(/^00:/, "");
  const where = id("where");
  let held = false; // the bar, by a finger
  function draw() {
    if (!held) where.value = at;
    where.setAttribute("aria-valuetext", clock(at));
    id("clock").textContent = clock(at) + " / " + clock(Math.max(tape.long, at));
  }
  const screen = await terminal(place);
  const show = (first) => {
    const s = first.screen;
    screen.begin(s.cols, s.rows, s.pty, bytes(s.draw));
    id("partly").hidden = s.whole;
    heard = at = s.at;
    draw();
  };
  show(await tape.begin(at));
  const end = Math.max(tape.long, ...marks.map(second), 0.001);

  where.max = end;
  draw();

  let before, frame;
  const label = (is) => { id("go").textContent = is ? "Pause" : "Play"; };
  const set = (is) => {
    runs = is;
    label(is);
    before = undefined;
    cancelAnimationFrame(frame);
    if (is) frame = requestAnimationFrame(step);
  };
  const step = (now) => {
    if (!runs) return;
    const passed = before === undefined ? 0 : Math.min(now - before, 1000) / 1000;
    before = now;
    const next = tape.peek();
    if (next || tape.ended) at += passed * speed; // else the next piece is on its way
    if (next && id("idle").checked && next.at - heard > 2 && at - heard > 2) at = Math.max(at, next.at);
    let size = 0;
    for (let s = tape.peek(); s && s.at <= at; s = tape.peek()) {
      if (size > 1 << 18) { at = s.at; break; } // more than can be seen: the next frame draws it
      tape.take();
      heard = s.at;
      size += s.out?.length ?? 0;
      if (s.out) screen.output(bytes(s.out)); else screen.resize(s.cols, s.rows);
    }
    if (tape.broken) broken();
    if (tape.ended && !tape.peek() && (at >= tape.long || id("idle").checked)) { at = Math.max(heard, tape.long); set(false); }
    draw();
    if (runs) frame = requestAnimationFrame(step);
  };
  let seeking; // where the bar was put, until it is there; runs: whether it plays then
  const seek = async (to) => {
    const mine = seeking = { runs: seeking?.runs ?? runs };
    set(false);
    label(mine.runs);
    at = Math.min(Math.max(0, to), end);
    if (id("second")) id("second").value = at.toFixed(1);
    draw();
    try {
      const first = await tape.seek(at);
      if (mine !== seeking) return;
      seeking = undefined;
      show(first);
      set(mine.runs);
    } catch (e) {
      if (mine !== seeking) return;
      seeking = undefined;
      set(false);
      if (e.name !== "AbortError") broken();
    }
  };
  const jump = (forward) => {
    const shown = marks.filter((m) => !m.closest("li").hidden).map(second);
    const next = forward ? shown.find((s) => s > at + 0.3) : shown.findLast((s) => s < at - 0.3);
    if (next !== undefined) seek(next);
  };
  where.addEventListener("input", () => { held = true; id("clock").textContent = clock(+where.value) + " / " + clock(tape.long); });
  where.addEventListener("change", () => { held = false; seek(+where.value); });

  // The timeline: a sign for each event that is shown.
  const line = id("timeline");
  const dots = () => {
    line.replaceChildren(...marks.filter((m) => !m.closest("li").hidden).map((m) => {
      const dot = document.createElement("span");
      dot.textContent = m.dataset.sign;
      dot.className = m.closest("li").className;
      dot.style.left = (100 * second(m) / end) + "%";
      dot.addEventListener("click", (e) => { e.stopPropagation(); seek(second(m)); });
      return dot;
    }));
  };
  line.addEventListener("click", (e) => { const box = line.getBoundingClientRect(); seek(end * (e.clientX - box.left) / box.width); });
  let only = "";
  const filter = () => {
    const words = id("find").value.toLowerCase();
    for (const m of marks) {
      const li = m.closest("li");
      li.hidden = (only !== "" && !li.classList.contains(only)) || !li.textContent.toLowerCase().includes(words);
    }
    dots();
  };
  const filters = [...document.querySelectorAll("[data-only]")];
  for (const b of filters) b.addEventListener("click", () => { only = b.dataset.only; for (const o of filters) o.setAttribute("aria-pressed", String(o === b)); filter(); });
  id("find").addEventListener("input", filter);
  filter();

  for (const m of marks) m.addEventListener("click", () => seek(second(m)));
  const toggle = () => {
    if (!seeking && !runs && tape.ended && !tape.peek()) seek(0);
    if (!seeking) { set(!runs); return; }
    seeking.runs = !seeking.runs; // whoever presses Play on the way there is not forgotten
    label(seeking.runs);
  };
  id("go").addEventListener("click", toggle);
  let pressed; // who drags selects text
  place.addEventListener("pointerdown", (e) => { pressed = e; });
  place.addEventListener("click", (e) => {
    if (Math.hypot(e.x - (pressed?.x ?? e.x), e.y - (pressed?.y ?? e.y)) > 5) return;
    getSelection().removeAllRanges();
    toggle();
  });
  id("before").addEventListener("click", () => jump(false));
  id("after").addEventListener("click", () => jump(true));
  id("fast").addEventListener("click", () => { speed = speed === 1 ? 2 : 1; id("fast").setAttribute("aria-pressed", String(speed === 2)); });
  id("note")?.addEventListener("focus", () => { id("second").value = at.toFixed(1); });
  for (const name of ["controls", "filters", "bar"]) id(name).hidden = false;
  keys({ " ": toggle, ArrowLeft: () => jump(false), ArrowRight: () => jump(true), "/": () => id("find").focus(), n: () => id("note")?.focus(),
    ...Object.fromEntries(["1", "2", "3"].map((k) => [k, () => document.querySelector(`[data-key="${k}"]`)?.focus()])) });
  prove();
}

// pieces fetches a recording as it is played. To begin is an event in the log,
// and to go on is not; where the broker does not know the playing any more, it
// is begun again.
function pieces(path) {
  let list = [], playing, next, asking, stop = new AbortController();
  const tape = { long: 0, ended: false, broken: false };
  const asks = (promise) => {
    const mine = promise.finally(() => { if (asking === mine) asking = undefined; });
    asking = mine;
    return mine;
  };
  const get = async (from, query) => {
    const at = stop;
    const ask = async (url) => fetch(url, { credentials: "same-origin", redirect: "error", signal: at.signal });
    let answer = playing ? await ask(`${from.replace("?", "/" + playing + "?")}&${query}`) : await ask(`${from}&${query}`);
    if (answer.status === 410 && playing) { playing = undefined; answer = await ask(`${from}&${query}`); }
    if (!answer.ok) throw new Error("no recording");
    const piece = await answer.json();
    if (at.signal.aborted) throw new DOMException("asked for elsewhere", "AbortError");
    if (piece.playing) { playing = piece.playing; tape.long = piece.long ?? 0; }
    list.push(...piece.shown);
    next = piece.next;
    tape.ended = piece.end === true || piece.broken === true;
    tape.broken ||= piece.broken === true;
    return piece;
  };
  tape.seek = (at) => {
    stop.abort();
    stop = new AbortController();
    list = [];
    tape.ended = tape.broken = false;
    return asks(get(path, "t=" + at));
  };
  tape.begin = tape.seek;
  tape.more = () => {
    if (asking || tape.ended || list.length > 512) return;
    asks(get(path, "next=" + next).catch((e) => { if (e.name !== "AbortError") tape.ended = tape.broken = true; }));
  };
  tape.peek = () => {
    if (list.length < 64) tape.more();
    return list[0];
  };
  tape.take = () => list.shift();
  return tape;
}

const bytes = (b64) => Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));

// terminal shows output as their terminal did. Without a terminal on their side
// a line feed alone begins a line, as their shell shows it.
function terminal(place) {
  let utf8, pty, last, size, dispatch;
  const write = (b) => {
    let text = utf8.decode(b, { stream: true });
    if (!pty) text = text.replace(/\r?\n/g, (m, i) => (i === 0 && last === "\r" ? "\n" : "\r\n"));
    last = text.slice(-1) || last;
    if (text) dispatch("output", text);
  };
  const screen = {
    begin(cols, rows, is, first) {
      utf8 = new TextDecoder();
      pty = true; last = "";
      size = cols + "x" + rows;
      dispatch("reset", { size: { cols, rows } });
      write(first);
      pty = is;
    },
    pty() { pty = true; },
    output: write,
    resize(cols, rows) {
      if (size === (size = cols + "x" + rows)) return;
      dispatch("resize", { cols, rows });
    },
  };
  return new Promise((ready) => {
    const driver = (core) => ({
      play: () => {
        dispatch = core.dispatch;
        dispatch("play");
        screen.begin(80, 24, false, new Uint8Array());
        dispatch("playing");
        ready(screen);
        return true;
      },
      stop: () => {},
      getTiming: () => ({ time: 0, rate: 0 }),
    });
    create(driver, place, { autoPlay: true, controls: false, fit: "width", terminalFontFamily: "ui-monospace, monospace" });
  });
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
          if (l.mark === "s") state.textContent = "Live. " + l.text;
          take(l);
        }
      }
      if (!ended) over("The line broke.", true);
    } catch (e) {
      if (!stop.signal.aborted) over("The line broke.", true);
    }
  };
  if ("legible" in screen.dataset) legible(screen.firstElementChild, watch); else counters(watch);
}

async function legible(place, watch) {
  const screen = await terminal(place);
  watch((l) => {
    if (l.mark === "r") { screen.pty(); screen.resize(Math.min(l.cols, 1000), Math.min(l.rows, 500)); }
    if (l.mark === "o") screen.output(bytes(l.data));
  });
  fits(document.getElementById("watch-wide"));
}

// fits offers to make a terminal small that is wider than the page, and readable again.
function fits(hint) {
  if (!hint) return;
  const [words, button] = hint.children;
  const wide = [words.textContent, button.textContent];
  const look = () => { hint.hidden = !screen.classList.contains("fits") && screen.scrollWidth <= screen.clientWidth + 1; };
  button.addEventListener("click", () => {
    const on = screen.classList.toggle("fits");
    [words.textContent, button.textContent] = on ? ["All of their terminal, as small as it must be.", "Readable size"] : wide;
    screen.scrollLeft = 0;
    look();
  });
  const seen = new ResizeObserver(look);
  for (const part of [screen, screen.firstElementChild]) seen.observe(part);
}

// row adds an operation to the list, which keeps the last few hundred and stays
// at its end unless somebody has moved it.
function row(rows, l) {
  const box = rows.parentElement;
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
  const li = document.createElement("li");
  const text = document.createElement("bdi");
  text.textContent = l.text;
  li.append(text);
  if (l.refused) li.className = "refused";
  rows.append(li);
  while (rows.children.length > 500) rows.firstElementChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function counters(watch) {
  const words = (n) => (n < 1e4 ? n + " bytes" : n < 1e7 ? Math.floor(n / 1e3) + " kB" : Math.floor(n / 1e6) + " MB");
  const show = (id, now, was) => { document.getElementById(id).textContent = words(now) + (was === undefined ? "" : ", " + words(now - was) + " a second"); };
  let before;
  const rows = document.getElementById("operations");
  watch((l) => {
    if (l.mark === "d" && rows) row(rows, l);
    if (l.mark !== "p") return;
    show("passed-in", l.in ?? 0, before?.in);
    show("passed-out", l.out ?? 0, before?.out);
    before = { in: l.in ?? 0, out: l.out ?? 0 };
  });
}
