// The player of the recording page: the recorded terminal, and beside it the
// log's events, each of which leads to its moment.
import { create } from "asciinema-player";

const place = document.getElementById("player");
if (place) {
  const marks = [...document.querySelectorAll("[data-second]")];
  const player = create({ url: place.dataset.cast }, place, {
    fit: "width", idleTimeLimit: 2, preload: true, startAt: +(place.dataset.from ?? 0), terminalFontFamily: "ui-monospace, monospace",
    markers: marks.map((m) => [Math.max(0, +m.dataset.second), m.dataset.label]),
  });
  for (const m of marks) m.addEventListener("click", () => player.seek(Math.max(0, +m.dataset.second)));
  player.addEventListener("error", () => { document.getElementById("broken").hidden = false; });
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
