"use strict";

// Tables: a click on a header sorts by its column; a second click reverses the order. Rows without a value stay last.
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

// Clips: those that match all filters are visible.
const field = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".clip")];
const clips = (number) => `${number} clip${number === 1 ? "" : "s"}`;

function matches(card) {
  const { id, true: labels, answers, right } = card.dataset;
  const has = (list, index) => index === "" || list.split(" ").includes(index);
  const [good, bad] = field("outcome").value.split(":");
  return (
    id.toLowerCase().includes(field("find").value.trim().toLowerCase()) &&
    has(labels, field("true").value) &&
    has(answers.split(";")[Number(field("run").value)], field("answer").value) &&
    (!good || right[Number(good)] === "1") &&
    (!bad || right[Number(bad)] === "0")
  );
}

const PAGE_SIZE = 24;
let maxVisible = PAGE_SIZE;

function play(button, isPlaying) {
  const video = button.querySelector("video");
  button.setAttribute("aria-pressed", String(isPlaying));
  if (!isPlaying) {
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

// numClips: how many clips match, if some of them are not on this page.
function show(numClips) {
  const matching = cards.filter(matches);
  const visible = new Set(matching.slice(0, maxVisible));
  for (const card of cards) {
    card.hidden = !visible.has(card);
    const button = card.querySelector(".preview");
    if (card.hidden && button) play(button, false);
  }
  const missing = numClips === undefined ? 0 : numClips - matching.length;
  const part = visible.size < matching.length ? `, the first ${visible.size} are visible` : "";
  field("status").textContent = clips(matching.length) + part + (missing > 0 ? `; ${missing} more are not on this page.` : ".");
  field("more").hidden = visible.size === matching.length;
}

function start(numClips) {
  maxVisible = PAGE_SIZE;
  show(numClips);
}

const form = document.querySelector(".filters");
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => start());
form.addEventListener("reset", () => setTimeout(start));
field("more").addEventListener("click", () => {
  const first = cards.filter(matches)[maxVisible];
  maxVisible += PAGE_SIZE;
  show();
  first.querySelector("button")?.focus();
});
for (const button of document.querySelectorAll(".preview")) {
  button.addEventListener("click", () => play(button, button.getAttribute("aria-pressed") === "false"));
}
field("play").addEventListener("click", () => {
  const buttons = cards.filter((card) => !card.hidden).map((card) => card.querySelector(".preview")).filter(Boolean);
  const isAnyPaused = buttons.some((button) => button.getAttribute("aria-pressed") === "false");
  for (const button of buttons) play(button, isAnyPaused);
});
start();

// Numbers of clips: a click shows the clips.
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
