"use strict";

// The page works without this script. With it, the part in <main> is replaced whenever the syncer sends a newer one,
// and the search is answered while one types.

const main = document.getElementById("view");
const live = document.getElementById("live");
let source;

// texts returns the text of each cell that has a key.
function texts(root) {
  const found = new Map();
  for (const cell of root.querySelectorAll("[data-key]")) found.set(cell.dataset.key, cell.textContent);
  return found;
}

// show replaces what is shown, marks the cells that have changed, and keeps the focus.
function show(html, mark) {
  const before = texts(main);
  const focused = document.activeElement;
  const inside = main.contains(focused);
  const place = inside ? Array.from(main.querySelectorAll("a, [tabindex]")).indexOf(focused) : -1;
  const scrolled = Array.from(main.querySelectorAll(".scroll"), (part) => part.scrollLeft);
  main.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  if (mark) {
    for (const cell of main.querySelectorAll("[data-key]")) {
      const old = before.get(cell.dataset.key);
      if (old !== undefined && old !== cell.textContent) cell.classList.add("changed");
    }
  }
  main.querySelectorAll(".scroll").forEach((part, i) => { part.scrollLeft = scrolled[i] || 0; });
  if (place >= 0) {
    const next = main.querySelectorAll("a, [tabindex]")[place];
    if (next) next.focus({ preventScroll: true });
  }
}

// say tells how fresh the view is. Only a change is said: a screen reader reads each.
function say(text, lost) {
  if (live.textContent === text) return;
  live.textContent = text;
  live.classList.toggle("lost", Boolean(lost));
}

// open has a view sent, from now on.
function open(view, mark) {
  if (source) source.close();
  source = new EventSource("/live?view=" + encodeURIComponent(view));
  source.onopen = () => say("live");
  source.onmessage = (event) => {
    show(event.data, mark);
    mark = true;
  };
  source.onerror = () => {
    say("no connection to the syncer: this is what was known last", true);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => open(view, true), 2000);
  };
}

open(document.body.dataset.view, true);

const search = document.getElementById("q");
const pace = 50; // ms from one question to the next, so that a fast typist does not ask for each letter
let typing;
let asked = -pace;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    asked = performance.now();
    const view = "/services?q=" + encodeURIComponent(search.value);
    history.replaceState(null, "", view);
    document.body.dataset.view = view;
    open(view, false);
  }, Math.max(0, asked + pace - performance.now()));
});
