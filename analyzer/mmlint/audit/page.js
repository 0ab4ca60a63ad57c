"use strict";
const form = document.querySelector("form");
const findings = [...document.querySelectorAll("article[data-code]")];
function filter() {
  const text = form.elements.text.value.toLowerCase();
  let shown = 0;
  for (const finding of findings) {
    const fits = ["severity", "confidence", "family", "subsystem", "origin"].every(
      (name) => !form.elements[name].value || form.elements[name].value === finding.dataset[name]);
    finding.hidden = !(fits && finding.textContent.toLowerCase().includes(text));
    shown += finding.hidden ? 0 : 1;
  }
  form.elements.shown.value = `${shown} of ${findings.length}`;
}
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
for (const proof of document.querySelectorAll("section")) {
  const turns = [...proof.querySelectorAll("tr.turn")];
  let at = turns.length;
  const show = () => turns.forEach((turn, place) => {
    turn.classList.toggle("ahead", place >= at);
    turn.classList.toggle("now", place === at - 1 && at < turns.length);
  });
  for (const button of proof.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const by = Number(button.dataset.step);
      at = by > 0 && at === turns.length ? 1 : Math.max(1, Math.min(turns.length, at + by));
      show();
    });
  }
}
