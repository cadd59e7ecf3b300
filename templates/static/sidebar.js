// Only enhances: every page works without this. It shows a trend as soon as one is picked, keeps a form from being sent
// twice, says when the record has changed or the EHR has moved on to another patient, and warns before a visit ends.

const ASK_EVERY_MS = 60_000;
const WARN_BEFORE_MIN = 2;

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", () => form.requestSubmit());
  form.querySelector("button")?.classList.add("visually-hidden");
}

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    form.querySelector("button")?.setAttribute("aria-disabled", "true");
  });
}

const banners = document.getElementById("banners");
const said = new Set();

function say(name, text, link) {
  if (!banners || said.has(name)) return;
  said.add(name);
  const line = document.createElement("p");
  line.className = name === "changed" ? "banner" : "banner serious";
  line.textContent = `${text} `;
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link.href;
    anchor.textContent = link.text;
    line.append(anchor);
  }
  banners.append(line);
}

const { state, digest, idleMin } = document.body.dataset;

async function ask() {
  try {
    const answer = await fetch(state, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) return say("over", "This visit has ended. Launch Twinline again from the EHR.");
    if (answer.status === 409) return say("other", "Another patient was opened in the EHR since.", { href: location.href, text: "What now?" });
    if (!answer.ok) return;
    const now = await answer.json();
    if (now.digest !== digest) say("changed", "The record has changed since this page was made.", { href: location.href, text: "Look again" });
  } catch {
    // No connection: the page stays as it is, and says its time.
  }
}

if (state) {
  setInterval(() => { if (document.visibilityState === "visible") ask(); }, ASK_EVERY_MS);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") ask(); });
  setTimeout(() => say("idle", `This visit ends in ${WARN_BEFORE_MIN} minutes without use.`, { href: location.href, text: "Stay" }),
    (Number(idleMin) - WARN_BEFORE_MIN) * 60_000);
}
