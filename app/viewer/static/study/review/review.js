// The review panel: verdict, side, comment, what is drawn, and the reviews that were given. Every save is a new review.

import { askJson, patiently, Refusal } from "../../service.js";
import { t } from "../../texts.js";
import { localTime } from "../../times.js";
import { element } from "../dom.js";
import { Drawing } from "./drawing.js";
import { form } from "./form.js";
import { page } from "../study.js";

const HIDDEN = "cruciate.hide-opinion";
const TOOLS = /** @type {import("./drawing.js").Kind[]} */ (["brush", "erase", "box"]);
const LARGEST_MM = 12;
// The longest time that the service takes: a page that was left open overnight.
const LONGEST_S = 86_400;

class Review {
  /** @param {HTMLElement} place @param {import("../study.js").Column} column */
  constructor(place, column) {
    this.reading = column.reading;
    this.path = `/v1/predictions/${encodeURIComponent(this.reading.id)}/reviews`;
    this.form = form(place);
    this.drawing = new Drawing(column.viewport, () => this.changed(), () => this._press());
    /** The ligament as the bundle's localiser found it; empty if there is no localiser that segments. */
    this.found = "answer" in this.reading ? this.reading.answer.study.localisation?.mask ?? [] : [];
    /** The own review that is shown. @type {string | null} */
    this.base = null;
    /** Names this review to the service, which then stores it once, however often it is sent. */
    this.name = newName();
    /** What was sent under this name; null if it wasn't sent yet. @type {string | null} */
    this.body = null;
    this.dirty = false;
    this.seconds = 0;
    /** Whether the model's opinion was in view at any time. */
    this.everSeen = false;
    this._begun = performance.now();
    this._inView = document.visibilityState === "visible";
    this._listen();
  }

  _listen() {
    const { fields, buttons } = this.form;
    for (const kind of TOOLS) buttons[kind].addEventListener("click", () => this.drawing.toggle(kind));
    buttons.undo.addEventListener("click", () => this.drawing.undo());
    buttons.copy.addEventListener("click", () => this.drawing.copy());
    buttons.begin.addEventListener("click", () => this.drawing.begin(this.found));
    buttons.save.addEventListener("click", () => this.save());
    fields.size.addEventListener("input", () => this._resize(fields.size.valueAsNumber));
    fields.hide.addEventListener("change", () => this._hide(fields.hide.checked));
    const settings = [fields.size, fields.hide];
    this.form.root.addEventListener("input", (event) => settings.includes(/** @type {any} */ (event.target)) || this.changed());
    // Only time with the page in view counts.
    document.addEventListener("visibilitychange", () => this._count());
    addEventListener("beforeunload", (event) => this.dirty && event.preventDefault());
    this._bind();
  }

  _bind() {
    const { keys } = page;
    const known = keys.bindings.length;
    keys.bind(["w"], t("review.key.brush"), () => this.drawing.toggle("brush"));
    keys.bind(["e"], t("review.key.erase"), () => this.drawing.toggle("erase"));
    keys.bind(["x"], t("review.key.box"), () => this.drawing.toggle("box"));
    keys.bind(["n"], t("review.key.copy"), () => this.drawing.copy());
    keys.bind(["Ctrl+z"], t("review.key.undo"), () => this.drawing.undo());
    keys.bind(["[", "]"], t("review.key.size"), ({ key }) => this._resize(this.drawing.radius + (key === "]" ? 0.5 : -0.5)));
    for (const { keys: own, name } of keys.bindings.slice(known)) {
      document.getElementById("keys")?.append(element("dt", {}, ...own.map((key) => element("kbd", {}, key))), element("dd", {}, name));
    }
    // While a tool is in the hand, these keys are its own: they come before the page's.
    addEventListener("keydown", (event) => this._steer(event), { capture: true });
  }

  /** @param {KeyboardEvent} event */
  _steer(event) {
    if (!this.drawing.isOn || event.target !== this.drawing.viewport.canvas || event.ctrlKey) return;
    const step = event.shiftKey ? 10 : 1;
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowLeft: () => this.drawing.nudge(-step, 0),
      ArrowRight: () => this.drawing.nudge(step, 0),
      ArrowUp: () => this.drawing.nudge(0, -step),
      ArrowDown: () => this.drawing.nudge(0, step),
      Enter: () => this.drawing.press(),
      Escape: () => this.drawing.stop(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  /** @param {number} radius in mm */
  _resize(radius) {
    this.drawing.radius = Math.min(Math.max(radius, 0.5), LARGEST_MM);
    this.form.fields.size.value = String(this.drawing.radius);
    this.drawing.viewport.redraw();
  }

  _count() {
    const now = performance.now();
    if (this._inView) this.seconds += (now - this._begun) / 1000;
    this._begun = now;
    this._inView = document.visibilityState === "visible";
  }

  /** Show what is stored, the own latest review in the form. */
  async load() {
    const listed = await patiently(() => askJson(this.path));
    const own = listed.reviews.findLast((/** @type {any} */ one) => one.reader === listed.reader);
    this._told(listed);
    if (!own) return;
    const { mask, ...said } = await patiently(() => askJson(`${this.path}/${own.id}`));
    if (this.dirty) return; // The reader has begun meanwhile.
    this.base = own.id;
    this.form.show(said);
    this.drawing.show(mask, said.box);
    this.dirty = false;
    this.form.say(t("review.saved", { time: localTime(own.created) }));
  }

  /** What the service lists. @param {any} listed */
  _told(listed) {
    this.form.history(listed);
    const wants = localStorage.getItem(HIDDEN) === "1" && !listed.reviews.some((/** @type {any} */ one) => one.reader === listed.reader);
    this.form.fields.hide.checked = localStorage.getItem(HIDDEN) === "1";
    // Whoever has to read first can't switch this off.
    this.form.fields.hide.disabled = listed.opinion === "hidden";
    this._opinion(listed.opinion === "shown" && !wants);
  }

  /** @param {boolean} wanted */
  _hide(wanted) {
    localStorage.setItem(HIDDEN, wanted ? "1" : "0");
    this._opinion(!wanted || this.base !== null);
  }

  /** @param {boolean} shown */
  _opinion(shown) {
    // Once seen, it was seen, also if it is hidden again.
    if (shown) this.everSeen = true;
    this.form.buttons.begin.hidden = !shown || !this.found.length;
    document.dispatchEvent(new CustomEvent("cruciate:opinion", { detail: { shown } }));
  }

  changed() {
    this.dirty = true;
    this.name = newName();
    this.body = null;
    this.form.drawn(this.drawing.mask.slices, this.drawing.box);
    this.form.say(t("review.unsaved"));
  }

  /** What is drawn, and how the reader came to the verdict. */
  _seen() {
    this._count();
    const seconds = Math.min(this.seconds, LONGEST_S);
    const opinion = this.everSeen ? "shown" : "hidden";
    return { mask: this.drawing.mask.stored, box: this.drawing.box, base: this.base, seconds, opinion };
  }

  /** @param {any} stored */
  _saved({ created, unseen }) {
    this.dirty = false;
    this.form.say(t("review.saved", { time: localTime(created) }) + (unseen ? ` ${t("review.unseen")}` : ""));
  }

  _press() {
    const { isOn, kind: held } = this.drawing;
    for (const kind of TOOLS) this.form.buttons[kind].setAttribute("aria-pressed", String(isOn && held === kind));
  }

  async save() {
    const said = this.form.said();
    if (!said) return this.form.say(t("review.incomplete"), true);
    const { name } = this;
    // What is sent again after a failure is the same, so that the service knows it.
    this.body ??= JSON.stringify({ ...said, ...this._seen() });
    this.form.say(t("review.saving"));
    const headers = { "Content-Type": "application/json", "Idempotency-Key": name };
    try {
      const stored = await askJson(this.path, { method: "POST", headers, body: this.body });
      this.base = stored.id;
      if (name === this.name) this._saved(stored);
    } catch (error) {
      const isOver = error instanceof Refusal && error.status === 401;
      const reason = isOver ? t("review.session") : (error instanceof Error && error.message) || t("review.away");
      return this.form.say(t("review.failed", { reason }), true, isOver ? `/login?next=${location.pathname}` : "");
    }
    this._told(await patiently(() => askJson(this.path)));
  }
}

/** Until it is known what this reader may see. */
document.dispatchEvent(new CustomEvent("cruciate:opinion", { detail: { shown: false, asking: true } }));

/** A name that nobody else uses. (`crypto.randomUUID` exists on pages with TLS only.) */
function newName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const place = /** @type {HTMLElement} */ (document.getElementById("review"));
let begun = false;
page.onChange(() => {
  const column = page.columns[0];
  if (begun || page.results[0].answer?.status !== "done") return;
  begun = true;
  new Review(place, column).load().catch((error) => place.replaceChildren(element("p", { role: "alert" }, error.message)));
});
