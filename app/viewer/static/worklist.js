// The worklist: asks for a page of it, shows it, and asks again while work is under way.

import { Refusal, ask } from "./service.js";
import { t } from "./texts.js";
import { row } from "./worklist_row.js";
import { uploads } from "./upload.js";

// Milliseconds between two questions: FAST to BUSY while work is under way, more each time that nothing has changed.
const FAST = 1000, BUSY = 5000, SLOW = 30000, GROWTH = 1.5;

const element = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const filters = /** @type {HTMLFormElement} */ (element("filters"));

/** The ends of the pages before this one, and how many predictions there are up to there. @type {{after: string, count: number}[]} */
let ends = [];
/** @type {string | null} */
let following = null;
let etag = "", wait = FAST, isBusy = false;
/** The rows that are shown, by the answer that they show. @type {Map<string, HTMLElement>} */
let rows = new Map();
let timer = 0;
/** @type {AbortController | null} */
let asking = null;

/** @returns {string} */
function address() {
  const query = new URLSearchParams();
  for (const name of ["state", "predicted", "reviewed", "sort", "superseded"]) {
    const value = new FormData(filters).get(name);
    if (value) query.set(name, String(value));
  }
  const end = ends.at(-1);
  if (end) query.set("after", end.after);
  return `/v1/worklist?${query}`;
}

/** Ask for the page, show it if it has changed, and plan the next question. */
async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    // A search may hold a name, and URLs are written into logs.
    const headers = { Search: encodeURIComponent(element("search").value), "If-None-Match": etag };
    const response = await ask(address(), { headers, signal, cache: "no-store" });
    if (response.status === 304) wait = isBusy ? Math.min(BUSY, wait * GROWTH) : SLOW;
    else show(await response.json(), response.headers.get("ETag") ?? "");
    trouble("");
  } catch (error) {
    if (signal.aborted) return;
    wait = Math.min(SLOW, wait * 2);
    trouble(error instanceof Refusal && error.message ? error.message : t("page.unreachable"));
  }
  if (!document.hidden) timer = setTimeout(refresh, wait);
}

/**
 * @param {any} page
 * @param {string} tag
 */
function show(page, tag) {
  etag = tag;
  isBusy = page.receiving.length > 0 || page.entries.some((/** @type {any} */ one) => ["queued", "running"].includes(one.state));
  wait = isBusy ? FAST : SLOW;
  following = page.next && new URLSearchParams(page.next.split("?")[1]).get("after");
  fill([...page.receiving, ...page.entries], page.shows_patients);
  count(page);
  element("table").setAttribute("aria-busy", "false");
  if (page.shows_patients) element("searched").textContent = t("worklist.searched.patients");
}

/**
 * Show these studies. A row that says the same as before stays, with what is open or focused in it.
 * @param {any[]} all
 * @param {boolean} showsPatients
 */
function fill(all, showsPatients) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement), id = focused?.closest("tr")?.id;
  rows = new Map(all.map((one) => [JSON.stringify(one), rows.get(JSON.stringify(one)) ?? row(one, showsPatients)]));
  element("rows").replaceChildren(...rows.values());
  if (id) (focused?.isConnected ? focused : document.getElementById(id)?.querySelector("a"))?.focus();
}

/** @param {any} page */
function count(page) {
  const isEmpty = page.entries.length + page.receiving.length === 0;
  const isSearch = Boolean(element("search").value || ["state", "predicted", "reviewed", "superseded"].some((name) => new FormData(filters).get(name)));
  element("table").hidden = isEmpty;
  element("empty").hidden = !isEmpty || isSearch;
  element("none").hidden = !isEmpty || !isSearch;
  const before = ends.at(-1)?.count ?? 0;
  const text = page.entries.length
    ? t("worklist.count", { first: before + 1, last: before + page.entries.length, total: page.total })
    : t("worklist.count.none");
  if (element("count").textContent !== text) element("count").textContent = text;
  element("back").disabled = ends.length === 0;
  element("on").disabled = following === null;
}

/** @param {string} sentence Empty if there is none. */
function trouble(sentence) {
  element("trouble").hidden = !sentence;
  if (element("trouble").textContent !== sentence) element("trouble").textContent = sentence;
}

/** Ask at once, for another page or because something has happened. */
function again() {
  etag = "";
  wait = FAST;
  return refresh();
}

/** From the first page on. Filters are kept in the address, so that going back finds them; the search isn't. */
function search() {
  ends = [];
  const query = address().split("?")[1];
  history.replaceState(null, "", query === "sort=newest" ? "/" : `/?${query}`);
  again();
}

/** Set the filters that the address names. */
function restore() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = filters.elements.namedItem(name);
    if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = true;
    else if (field instanceof HTMLSelectElement) field.value = value;
  }
}

element("on").addEventListener("click", () => {
  const count = (ends.at(-1)?.count ?? 0) + element("rows").querySelectorAll("tr[data-entry]").length;
  if (!following) return; // pressed again before the page came
  ends.push({ after: following, count });
  following = null;
  again();
});
element("back").addEventListener("click", () => {
  ends.pop();
  again();
});
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("change", search);
let typing = 0;
element("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 250);
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
// Single quotes would send the name of the variable.
const key = "asks" in element("command").dataset ? ' -H "Authorization: Bearer $CRUCIATE_KEY"' : "";
element("command").textContent =
  `curl --data-binary @study.zip -H 'Content-Type: application/zip'${key} ${location.origin}/v1/predictions`;

uploads(again);
restore();
refresh();
