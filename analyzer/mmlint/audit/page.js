"use strict";
const form = document.querySelector("form");
const findings = [...document.querySelectorAll("article[data-code]")];
function filter() {
  const text = form.elements.text.value.toLowerCase();
  let shown = 0;
  for (const finding of findings) {
    const fits = ["severity", "confidence", "family"].every(
      (name) => !form.elements[name].value || form.elements[name].value === finding.dataset[name]);
    finding.hidden = !(fits && finding.textContent.toLowerCase().includes(text));
    shown += finding.hidden ? 0 : 1;
  }
  form.elements.shown.value = `${shown} of ${findings.length}`;
}
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
