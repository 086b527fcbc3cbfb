// Passkeys: a form with data-sign asks its draft path what would be signed, has
// the browser's authenticator sign it, and goes on with text and assertion.
// Whatever fails here leaves the form as it was: nothing is done.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));

  function put(form, name, value) {
    let input = form.querySelector(`input[type=hidden][name="${name}"]`);
    if (!input) {
      input = document.createElement("input");
      input.type = "hidden"; input.name = name;
      form.append(input);
    }
    input.value = value;
  }

  // The page may have drawn itself anew while the device was asked: what was
  // signed still goes to the broker, which refuses a text that has changed.
  function goOn(form, button) {
    if (!form.isConnected) {
      form.hidden = true;
      document.body.append(form);
    }
    form.dataset.ready = "yes";
    form.requestSubmit(button || undefined);
  }

  // What was held down counts for this one tap.
  function failed(form, why) {
    form.querySelectorAll("input[data-held]").forEach((i) => i.remove());
    delete form.dataset.busy;
    let line = form.querySelector("[data-failed]");
    if (!line) {
      line = document.createElement("p");
      line.className = "problem"; line.dataset.failed = ""; line.setAttribute("role", "alert");
      form.prepend(line);
    }
    line.hidden = false;
    line.textContent = why;
  }

  async function sign(form, button) {
    if (form.elements.code && form.elements.code.value) { // a code was chosen
      await new Promise((later) => setTimeout(later)); // a form that is being submitted submits no second time (HTML, requestSubmit)
      return goOn(form, button);
    }
    const reply = await fetch(form.dataset.sign, { method: "POST", body: new URLSearchParams(new FormData(form, button)) });
    if (!reply.ok) throw new Error("The broker did not answer (" + reply.status + "). Nothing was done.");
    const plan = await reply.json();
    if (plan.go === "plain") put(form, "signing", "yes");
    if (plan.go === "sign") {
      const shown = form.querySelector("input[name=document]");
      if (shown && plan.document && (shown.value !== plan.document || JSON.parse(plan.text).request !== shown.value)) {
        throw new Error("What was to be signed is not what this page shows. Nothing was done. Tell OT security.");
      }
      const made = await navigator.credentials.get({ publicKey: { ...plan.ask, challenge: bytes(plan.ask.challenge), allowCredentials: named(plan.ask.allowCredentials) } });
      if (plan.text) put(form, "signed_text", plan.text);
      put(form, "signed_assertion", JSON.stringify({ id: made.id, response: { clientDataJSON: text(made.response.clientDataJSON),
        authenticatorData: text(made.response.authenticatorData), signature: text(made.response.signature) } }));
    }
    goOn(form, button);
  }

  async function create(form, button) {
    const o = JSON.parse(form.dataset.create);
    const made = await navigator.credentials.create({ publicKey: { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) },
      excludeCredentials: named(o.excludeCredentials) } });
    put(form, "credential", JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(),
      response: { clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject) } }));
    goOn(form, button);
  }

  addEventListener("submit", (e) => {
    const form = e.target, work = form.dataset.create ? create : form.dataset.sign && !(e.submitter && e.submitter.hasAttribute("data-plain")) ? sign : null;
    if (!work) return;
    if (form.dataset.ready) { delete form.dataset.ready; delete form.dataset.busy; return; }
    e.preventDefault();
    e.stopImmediatePropagation();
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    work(form, e.submitter).catch((err) => failed(form, err.name === "NotAllowedError" || err.name === "AbortError" ? "Nothing was signed, so nothing was done. Tap again."
      : err.name === "InvalidStateError" ? "This device has a passkey of somebody here already. One device is one person's." : err.message));
  }, true);

  document.querySelectorAll("[data-passkeys]").forEach((n) => { n.hidden = false; });
})();
