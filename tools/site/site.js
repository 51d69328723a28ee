// Search, copy buttons, and a navigation that is folded on a phone. The site works without it.
"use strict";
const up = document.body.dataset.up;
const phone = matchMedia("(max-width: 48rem)");
const nav = document.querySelector(".nav");
const fold = () => { nav.open = !phone.matches; };
fold();
phone.addEventListener("change", fold);
const here = nav.querySelector("[aria-current]");
if (here && nav.open) here.scrollIntoView({ block: "nearest" });

for (const pre of document.querySelectorAll("main pre")) {
  const block = document.createElement("div");
  block.className = "block";
  pre.replaceWith(block);
  block.append(pre);
  if (!navigator.clipboard) continue;
  const button = document.createElement("button");
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(pre.innerText);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.append(button);
}

const field = document.getElementById("search");
const found = document.getElementById("found");
let loading = null;
// The index is a script, not a file to fetch: pages that are opened from the disk may not fetch.
const load = () => loading ??= new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = up + "search.js";
  script.onload = done;
  script.onerror = failed;
  document.head.append(script);
});

function score(row, words) {
  const [page, title, , text] = row.map((cell) => cell.toLowerCase());
  let sum = 0;
  for (const word of words) {
    const one = (title.includes(word) ? 8 : 0) + (title.startsWith(word) ? 4 : 0)
      + (page.includes(word) ? 2 : 0) + (text.includes(word) ? 1 : 0);
    if (!one) return 0;
    sum += one;
  }
  return sum;
}

function around(text, word) {
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 30);
  return (at ? "…" : "") + text.slice(at, at + 110);
}

async function look() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.replaceChildren();
  found.hidden = !words.length;
  if (!words.length) return;
  await load();
  const rows = INDEX.map((row) => [score(row, words), row]).filter(([points]) => points);
  rows.sort((a, b) => b[0] - a[0]);
  for (const [, [page, title, address, text]] of rows.slice(0, 12)) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = up + address;
    link.textContent = page === title ? page : `${page}: ${title}`;
    const line = document.createElement("small");
    line.textContent = around(text, words[0]);
    link.append(line);
    item.append(link);
    found.append(item);
  }
  if (!rows.length) {
    const item = document.createElement("li");
    item.className = "none";
    item.textContent = "Nothing found.";
    found.append(item);
  }
}
field.addEventListener("input", look);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) { event.preventDefault(); field.focus(); }
  if (event.key === "Escape") { found.hidden = true; field.blur(); }
});
document.addEventListener("click", (event) => { if (!event.target.closest(".search")) found.hidden = true; });
