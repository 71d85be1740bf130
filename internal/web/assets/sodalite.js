// Comforts only: every page works without this file.

// Leave empty filters out of addresses.
document.addEventListener("formdata", (event) => {
  if (event.target.method !== "get") return;
  const empty = [...event.formData.entries()].filter(([, value]) => value === "").map(([name]) => name);
  for (const name of empty) {
    const kept = event.formData.getAll(name).filter((value) => value !== "");
    event.formData.delete(name);
    for (const value of kept) event.formData.append(name, value);
  }
});

// A menu that was chosen from by mouse or touch applies at once. By keyboard it waits for Apply, since arrow keys alone
// already change a menu.
for (const form of document.querySelectorAll("form.filters")) {
  let pointer = false;
  form.addEventListener("pointerdown", () => { pointer = true; });
  form.addEventListener("keydown", () => { pointer = false; });
  form.addEventListener("change", (event) => {
    if (pointer && event.target.matches("select")) form.requestSubmit();
  });
}

// Offer to copy snippets where the browser allows it.
for (const block of document.querySelectorAll("pre[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
  });
  block.after(button);
}

// A scan that goes on: show how far it is, and its result when it is there, without loading the page again.
const follow = () => {
  if (!document.querySelector("[data-open]")) return;
  setTimeout(async () => {
    if (!document.hidden) await look().catch(() => {}); // the network may be back the next time
    follow();
  }, 1500);
};
const look = async () => {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (page.querySelector("[data-open]")) {
    for (const part of page.querySelectorAll("[data-part]")) {
      const shown = document.querySelector(`[data-part="${part.dataset.part}"]`);
      if (shown.innerHTML !== part.innerHTML) shown.innerHTML = part.innerHTML;
    }
    return;
  }
  if (answer.redirected) return location.reload(); // signed out in the meantime
  document.title = page.title;
  document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
  document.querySelector("main").focus({ preventScroll: true });
};
follow();

// A mistake in a file of checks: go to its line.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]");
  if (!link) return;
  event.preventDefault();
  const area = document.getElementById(link.hash.slice(1));
  const lines = area.value.split("\n");
  const line = Math.min(Number(link.dataset.line) || 1, lines.length) - 1;
  const start = lines.slice(0, line).reduce((n, text) => n + text.length + 1, 0);
  const column = Math.max(0, (Number(link.dataset.column) || 1) - 1);
  area.focus();
  area.setSelectionRange(start + column, start + lines[line].length);
  area.scrollTop = Math.max(0, line - 4) * parseFloat(getComputedStyle(area).lineHeight);
});
