// Sends one study: files that are dropped or chosen, a folder, or a zip. Names of files stay here: they may name a patient.

import { csrfToken, logIn } from "./service.js";
import { t } from "./texts.js";
import { zip } from "./zip.js";

const MB = 1 << 20;
const CONTROLS = ["files", "folder", "synthetic"];
const element = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const section = element("upload");
/** @type {XMLHttpRequest | null} */
let request = null;
let changed = () => {};
/** What had the focus when the sending began. @type {any} */
let pressed = null;

/**
 * Let the page take studies.
 * @param {() => void} then Called when the service has accepted one.
 */
export function uploads(then) {
  changed = then;
  for (const input of [element("files"), element("folder")]) {
    input.addEventListener("change", () => {
      send([...input.files]);
      input.value = "";
    });
  }
  element("synthetic").addEventListener("click", () => {
    say(t("upload.making"));
    post("/v1/worklist/synthetic", null, "");
  });
  element("cancel").addEventListener("click", () => request?.abort());
  addEventListener("dragover", (event) => {
    event.preventDefault();
    section.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? section.classList.remove("over"));
  addEventListener("drop", async (event) => {
    event.preventDefault();
    section.classList.remove("over");
    // Entries must be taken before the first pause.
    const items = [...(event.dataTransfer?.items ?? [])].filter((item) => item.kind === "file");
    const entries = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
    send((await Promise.all(entries.map(filesOf))).flat());
  });
}

/**
 * The files in a dropped file or folder.
 * @param {any} entry
 * @returns {Promise<File[]>}
 */
async function filesOf(entry) {
  if (!entry || entry instanceof File) return entry ? [entry] : [];
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    /** @type {any[]} A browser gives at most 100 at a time. */
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    found.push(...(await Promise.all(some.map(filesOf))).flat());
  }
}

/**
 * Send files as one body: one as it is, some as parts of a form, more of them as a zip.
 * @param {File[]} chosen
 */
async function send(chosen) {
  const files = chosen.filter((file) => !file.name.startsWith(".") && file.size);
  const bytes = files.reduce((sum, file) => sum + file.size, 0), limit = Number(section.dataset.mostMb);
  if (!files.length) return say(t("upload.nothing"), true);
  if (bytes > limit * MB) return say(t("upload.large", { size: Math.ceil(bytes / MB), limit }), true);
  if (files.length === 1) return post("/v1/predictions", files[0], "application/octet-stream");
  if (files.length > Number(section.dataset.mostParts)) {
    say(t("upload.packing", { count: files.length }));
    return post("/v1/predictions", await zip(files), "application/zip");
  }
  const form = new FormData();
  files.forEach((file, index) => form.append("file", file, `${index}.dcm`));
  return post("/v1/predictions", form, "");
}

/**
 * @param {string} path
 * @param {XMLHttpRequestBodyInit | null} body
 * @param {string} type Empty: the browser knows.
 */
function post(path, body, type) {
  const sent = (request = new XMLHttpRequest());
  sent.open("POST", path);
  sent.setRequestHeader("Prefer", "respond-async");
  sent.setRequestHeader("X-CSRF-Token", csrfToken());
  if (type) sent.setRequestHeader("Content-Type", type);
  sent.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
  sent.addEventListener("load", () => answered(sent));
  sent.addEventListener("error", () => say(t("upload.unreachable"), true));
  sent.addEventListener("abort", () => say(t("upload.cancelled")));
  sent.addEventListener("loadend", () => busy(false));
  busy(true, body !== null);
  sent.send(body);
}

/** @param {XMLHttpRequest} sent */
function answered(sent) {
  if (sent.status === 401) return logIn();
  if (sent.status < 300) {
    say(t(sent.status === 200 ? "upload.known" : "upload.accepted"));
    return changed();
  }
  let reason = sent.statusText;
  try {
    reason = JSON.parse(sent.responseText).detail;
  } catch {
    // Not our service: a proxy has answered.
  }
  say(t("upload.refused", { reason }), true);
}

/**
 * @param {number} loaded
 * @param {number} total
 */
function progress(loaded, total) {
  element("progress").value = loaded / total;
  element("sent").textContent =
    loaded === total
      ? t("upload.reading")
      : t("upload.sending", { percent: Math.floor((100 * loaded) / total), size: Math.ceil(total / MB) });
}

/**
 * @param {boolean} isBusy
 * @param {boolean} [sends] Whether there is a body whose progress can be shown.
 */
function busy(isBusy, sends = false) {
  element("sending").hidden = !(isBusy && sends);
  if (isBusy && sends) say("");
  element("progress").value = 0;
  element("sent").textContent = "";
  // A control that is disabled loses the focus.
  const focused = document.activeElement;
  for (const id of CONTROLS) element(id).disabled = isBusy;
  if (isBusy) pressed = focused;
  else if (document.activeElement === document.body) pressed?.focus();
}

/**
 * @param {string} sentence
 * @param {boolean} [isBad]
 */
function say(sentence, isBad = false) {
  element("said").textContent = sentence;
  element("said").classList.toggle("bad", isBad);
}
