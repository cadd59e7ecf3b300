// The pages work without this. It keeps a form from being sent twice, and closes the override form with Escape.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
}

// A page that comes back from the browser's history may be sent again.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

for (const details of document.querySelectorAll("details.override")) {
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      details.open = false;
      details.querySelector("summary").focus();
    }
  });
}
