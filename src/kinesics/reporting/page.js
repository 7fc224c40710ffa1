"use strict";

// Tables: a click on a header sorts by its column, a second one the other way round. What has no value stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const text = header.dataset.kind === "text";
      const first = text ? "ascending" : "descending";
      const second = text ? "descending" : "ascending";
      const order = header.getAttribute("aria-sort") === first ? second : first;
      headers.forEach((each) => each.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => {
        const cell = row.cells[column];
        if (text) return cell.textContent.trim();
        return cell.dataset.value ? Number(cell.dataset.value) : null;
      };
      const before = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return sign * (text ? x.localeCompare(y, undefined, { numeric: true }) : x - y);
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(before));
    });
  });
}

// Clips: those that fit all filters are shown.
const field = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".clip")];
const clips = (number) => `${number} clip${number === 1 ? "" : "s"}`;

function fits(card) {
  const { id, true: labels, answers, right } = card.dataset;
  const has = (list, wanted) => wanted === "" || list.split(" ").includes(wanted);
  const [good, bad] = field("outcome").value.split(":");
  return (
    id.toLowerCase().includes(field("find").value.trim().toLowerCase()) &&
    has(labels, field("true").value) &&
    has(answers.split(";")[Number(field("run").value)], field("answer").value) &&
    (!good || right[Number(good)] === "1") &&
    (!bad || right[Number(bad)] === "0")
  );
}

const PAGE = 24;
let shownAtMost = PAGE;

function play(button, wanted) {
  const video = button.querySelector("video");
  button.setAttribute("aria-pressed", String(wanted));
  if (!wanted) {
    video.pause();
    return;
  }
  video.play().catch((error) => {
    button.setAttribute("aria-pressed", "false");
    if (error.name !== "NotSupportedError") return;
    button.disabled = true;
    button.title = "This browser cannot play the clip.";
  });
}

// wanted: how many clips there are to be shown, where not all of them are on this page.
function show(wanted) {
  const fitting = cards.filter(fits);
  const visible = new Set(fitting.slice(0, shownAtMost));
  for (const card of cards) {
    card.hidden = !visible.has(card);
    const button = card.querySelector(".preview");
    if (card.hidden && button) play(button, false);
  }
  const missing = wanted === undefined ? 0 : wanted - fitting.length;
  const part = visible.size < fitting.length ? `, the first ${visible.size} are shown` : "";
  field("status").textContent = clips(fitting.length) + part + (missing > 0 ? `; ${missing} more are not on this page.` : ".");
  field("more").hidden = visible.size === fitting.length;
}

function start(wanted) {
  shownAtMost = PAGE;
  show(wanted);
}

const form = document.querySelector(".filters");
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => start());
form.addEventListener("reset", () => setTimeout(start));
field("more").addEventListener("click", () => {
  const first = cards.filter(fits)[shownAtMost];
  shownAtMost += PAGE;
  show();
  first.querySelector("button")?.focus();
});
for (const button of document.querySelectorAll(".preview")) {
  button.addEventListener("click", () => play(button, button.getAttribute("aria-pressed") === "false"));
}
field("play").addEventListener("click", () => {
  const buttons = cards.filter((card) => !card.hidden).map((card) => card.querySelector(".preview")).filter(Boolean);
  const some = buttons.some((button) => button.getAttribute("aria-pressed") === "false");
  for (const button of buttons) play(button, some);
});
start();

// Numbers that stand for clips: a click shows them.
for (const button of document.querySelectorAll("button.show")) {
  button.addEventListener("click", () => {
    const { run, true: label, answer, outcome } = button.dataset;
    form.reset();
    if (run !== undefined) field("run").value = run;
    if (label !== undefined) field("true").value = label;
    if (answer !== undefined) field("answer").value = answer;
    if (outcome !== undefined) field("outcome").value = outcome;
    setTimeout(() => {
      start(Number(button.textContent));
      const title = field("clips-title");
      title.scrollIntoView();
      title.focus({ preventScroll: true });
    });
  });
}
