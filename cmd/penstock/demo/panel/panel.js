// Keeps the panel moving. Without it the page loads itself anew every 3 s.
"use strict";
const show = (id, text) => { document.getElementById(id).textContent = text; };
const hide = (id, yes) => { document.getElementById(id).hidden = yes; };

async function look() {
  try {
    const answer = await fetch("/state", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const s = await answer.json();
    document.getElementById("lamp").className = "lamp" + (s.alarm ? " alarm" : s.running ? " runs" : "");
    show("state", s.alarm ? "ALARM F-417" : s.running ? "Running" : "Stopped");
    show("says", s.says);
    show("flow", s.flow);
    show("volume", s.fill_volume);
    show("deviation", (s.deviation < 0 ? "" : "+") + s.deviation.toFixed(1));
    show("torque", s.cap_torque.toFixed(2));
    show("product", s.product.toFixed(1));
    show("bottles", s.bottles);
    show("key", s.key_off ? "off" : "on");
    hide("fault", s.alarm || !s.running);
    hide("start", s.alarm || s.running);
    hide("next", !s.alarm || !s.request);
    const link = document.querySelector("#next a");
    link.href = link.dataset.pages + "/requests/" + encodeURIComponent(s.request ?? "");
  } catch {
    document.getElementById("lamp").className = "lamp";
    show("state", "The demo has ended");
    show("says", "Start it again, and this page goes on.");
  }
  setTimeout(look, 700);
}
look();
