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
