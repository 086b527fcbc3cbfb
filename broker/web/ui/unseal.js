// Opens a sealed recording: the auditor's key file is read here, and stays
// here. With it the session's keys.age is opened, and the 32 bytes of session
// key that were in it go to the broker, for this sign-in.
import { Decrypter, armor } from "age-encryption";

const form = document.getElementById("unseal");
if (form) {
  const problem = document.getElementById("unseal-problem");
  const words = document.getElementById("unseal-words");
  const button = form.querySelector("button");
  const say = (text) => { problem.textContent = text; problem.hidden = !text; };
  form.hidden = false;
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    button.disabled = true;
    say("");
    let key;
    try {
      const identity = await readIdentity(document.getElementById("unseal-file").files[0], words.value);
      key = await sessionKey(form.dataset.session, identity);
      const answer = await send(`/recordings/${form.dataset.session}/unseal`, { method: "POST", body: key, headers: { "Content-Type": "application/octet-stream" } });
      if (answer.status !== 204) throw new Error("The broker did not take the key.");
      location.reload();
    } catch (fault) {
      say(fault.message);
    } finally {
      key?.fill(0);
      words.value = "";
      button.disabled = false;
    }
  });
}

const send = async (url, more) => {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", redirect: "error", ...more });
  } catch {
    throw new Error("The broker cannot be reached, or you are signed out. Load the page again.");
  }
  if (answer.ok) return answer;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  throw new Error(page.querySelector("main p")?.textContent ?? "The broker said no.");
};

// readIdentity gives the lines of an age identity file; one that is an age file
// itself is opened with its passphrase.
async function readIdentity(file, passphrase) {
  if (!file || file.size > 65536) throw new Error("Choose your age key file: a small file with a line that begins with AGE-SECRET-KEY-1.");
  let bytes = new Uint8Array(await file.arrayBuffer());
  let text = new TextDecoder().decode(bytes);
  const armored = text.trimStart().startsWith("-----BEGIN AGE ENCRYPTED FILE-----");
  if (armored || text.startsWith("age-encryption.org/")) {
    if (!passphrase) throw new Error("This key file has a passphrase: type it.");
    const d = new Decrypter();
    d.addPassphrase(passphrase);
    try {
      if (armored) bytes = armor.decode(text);
      text = await d.decrypt(bytes, "text");
    } catch {
      throw new Error("The key file does not open with this passphrase.");
    }
  }
  const lines = text.split(/\r?\n/).map((l) => l.trim()).filter((l) => l && !l.startsWith("#"));
  if (!lines.length || !lines.every((l) => l.startsWith("AGE-SECRET-KEY-"))) {
    throw new Error("This is no age key file: it has no line that begins with AGE-SECRET-KEY-1.");
  }
  return lines;
}

async function sessionKey(session, lines) {
  const d = new Decrypter();
  try {
    for (const l of lines) d.addIdentity(l);
  } catch {
    throw new Error("This is no age key file that can be read here.");
  }
  const wrapped = new Uint8Array(await (await send(`/recordings/${session}/keys`)).arrayBuffer());
  let plain;
  try {
    plain = await d.decrypt(wrapped);
  } catch {
    throw new Error(`${session} is not sealed to this key.`);
  }
  const named = new TextDecoder().decode(plain.subarray(32));
  const key = plain.slice(0, 32);
  plain.fill(0);
  if (named !== session) throw new Error("The key file of this recording belongs to another one. Tell OT security.");
  return key;
}
