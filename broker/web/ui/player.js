// The player of the recording page: the recorded terminal, and beside it the
// log's events, each of which leads to its moment.
import { create } from "asciinema-player";

const place = document.getElementById("player");
if (place) {
  const marks = [...document.querySelectorAll("[data-second]")];
  const player = create({ url: place.dataset.cast }, place, {
    fit: "width", idleTimeLimit: 2, preload: true, terminalFontFamily: "ui-monospace, monospace",
    markers: marks.map((m) => [Math.max(0, +m.dataset.second), m.dataset.label]),
  });
  for (const m of marks) m.addEventListener("click", () => player.seek(Math.max(0, +m.dataset.second)));
  player.addEventListener("error", () => { document.getElementById("broken").hidden = false; });
}
