// Only enhances: every page works without this. It shows a trend as soon as one is picked, keeps a form from being sent
// twice, says when the record has changed or the EHR has moved on to another patient, and warns before a visit ends.

const ASK_EVERY_MS = 60_000;
const WARN_BEFORE_MIN = 2;
const DEBOUNCE_MS = 150;

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", () => form.requestSubmit());
  form.querySelector("button")?.classList.add("visually-hidden");
}

// Beside every number of a simulation: a slider, and two buttons for those who cannot drag.
for (const input of document.querySelectorAll(".stepper input[type=number]")) {
  const step = Number(input.dataset.step);
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: input.min, max: input.max, step: String(step), value: input.value });
  slider.setAttribute("aria-label", `${input.labels[0].textContent}, slider`);
  const tell = () => input.dispatchEvent(new Event("input", { bubbles: true }));
  slider.addEventListener("input", () => { input.value = slider.value; tell(); });
  input.addEventListener("input", () => { slider.value = input.value; });
  const button = (text, by) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", `${input.labels[0].textContent} ${by < 0 ? "less" : "more"}`);
    made.addEventListener("click", () => {
      const next = Math.min(Number(input.max), Math.max(Number(input.min), Number(input.value) + by));
      input.value = String(Math.round(next * 1000) / 1000);
      tell();
    });
    return made;
  };
  input.before(button("−", -step));
  input.after(button("+", step), slider);
}

// A dose is simulated anew while it is changed; the table keeps the plans of the last full look.
for (const form of document.querySelectorAll("form[data-live]")) {
  let waiting = 0;
  let latest = 0;
  for (const choice of form.querySelectorAll("[data-anew]")) {
    choice.addEventListener("change", (event) => {
      event.stopPropagation();
      if (choice.name !== "drug") form.requestSubmit();
      else location.href = `${form.action}?${new URLSearchParams({ drug: choice.value })}`;
    });
  }
  form.addEventListener("input", (event) => {
    if (event.target.type === "range" || event.target.matches("[data-anew]") || !form.checkValidity()) return;
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const number = ++latest;
      try {
        const answer = await fetch(`${form.dataset.live}?${new URLSearchParams(new FormData(form))}`, { cache: "no-store" });
        if (!answer.ok || number !== latest) return;
        const { paths, texts } = await answer.json();
        for (const [id, d] of Object.entries(paths)) document.getElementById(id)?.setAttribute("d", d);
        for (const [id, text] of Object.entries(texts)) {
          const element = document.getElementById(id);
          if (element) element.textContent = text;
        }
      } catch {
        // No connection: what was simulated last stays, with its words.
      }
    }, DEBOUNCE_MS);
  });
}

// What options would do is simulated one after the other, once they are in sight; the link stays where that fails.
const unasked = [];
let asking = false;

async function askEffects() {
  if (asking) return;
  asking = true;
  for (let line = unasked.shift(); line; line = unasked.shift()) {
    const link = line.querySelector("a");
    const before = link.textContent;
    link.textContent = "Simulating the expected effect …";
    try {
      const answer = await fetch(line.dataset.effect, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const { head, text, href, review } = await answer.json();
      const strong = document.createElement("strong");
      strong.textContent = `${head}:`;
      link.href = href;
      link.textContent = "What if?";
      line.replaceChildren(strong, ` ${text} `, link);
      if (review) {
        const pending = document.createElement("span");
        pending.className = "review";
        pending.textContent = review;
        line.append(" ", pending);
      }
    } catch {
      link.textContent = before;
    }
  }
  asking = false;
}

const inSight = new IntersectionObserver((seen) => {
  for (const { target } of seen.filter((one) => one.isIntersecting)) {
    inSight.unobserve(target);
    unasked.push(target);
  }
  askEffects();
});
document.querySelectorAll("[data-effect]").forEach((line) => inSight.observe(line));

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
