// The toolbar, and the keys that do the same.

import { FITTED } from "../arithmetic/geometry.js";
import { dragged, presets } from "../arithmetic/window.js";
import { t } from "../../texts.js";
import { element } from "../dom.js";
import { strongest } from "../strip.js";

/** @typedef {import("../study.js").StudyPage} StudyPage */
/** @typedef {import("./measure.js").Kind} Kind */

const FRAMES_S = 12;
const ZOOM = 1.25;
const STEP = { slices: 5, pan: 40, window: 0.02, cursor: 8, fine: 1 };
// Presets are chosen by the keys 1 to 5.
const DIGITS = ["1", "2", "3", "4", "5"];
/** @type {Record<string, string>} */
const ARROWS = { Up: "↑", Down: "↓", Left: "←", Right: "→" };

/** @param {StudyPage} page */
export function control(page) {
  const actions = new Actions(page);
  bindKeys(page, actions);
  const of = (/** @type {string} */ name) => /** @type {any} */ (document.getElementById(name));
  const pressable = /** @type {[string, () => void, () => boolean][]} */ ([
    ["heat", () => actions.flip("shown"), () => page.display.shown],
    ["both", () => actions.flip("both"), () => page.display.both],
    ["outline", () => actions.flip("outlined"), () => page.display.outlined],
    ["invert", () => actions.invert(), () => page.active.inverted],
    ["cine", () => actions.cine(), () => actions.timer !== 0],
    ["distance", () => actions.measure("distance"), () => actions.measures("distance")],
    ["angle", () => actions.measure("angle"), () => actions.measures("angle")],
  ]);
  for (const [name, act] of pressable) of(name).addEventListener("click", act);
  for (const [name, act] of /** @type {[string, () => void][]} */ ([["reset", () => actions.reset()], ["strongest", () => actions.strongest()], ["save", () => actions.save()]])) {
    of(name).addEventListener("click", act);
  }
  of("opacity").addEventListener("input", () => page.display.update({ opacity: of("opacity").valueAsNumber }));
  of("threshold").addEventListener("input", () => page.display.update({ share: of("threshold").valueAsNumber }));
  of("preset").addEventListener("change", () => actions.preset(of("preset").selectedIndex - 1));
  const show = () => {
    for (const [name, , isOn] of pressable) of(name).setAttribute("aria-pressed", String(isOn()));
    for (const name of ["opacity", "threshold", "both", "outline"]) of(name).disabled = !page.display.shown;
    const { scale, volume } = page.active;
    if (scale) of("threshold").value = String(page.display.threshold(page.active) / (scale.full || 1));
    const names = volume ? presets(volume).map((one) => one.name) : [];
    if (of("preset").length !== names.length + 1) {
      of("preset").replaceChildren(...["choose", ...names].map((name, at) => element("option", {}, at ? `${at} ${t(`study.preset.${name}`)}` : t("study.preset.choose"))));
    }
    of("preset").selectedIndex = 0;
  };
  page.onChange(show);
  actions.changed = show;
  const help = of("help");
  of("keys").append(...listed(page));
  of("show-help").addEventListener("click", () => help.showModal());
  page.keys.bind(["?"], t("study.key.help"), () => help.showModal());
}

class Actions {
  /** @param {StudyPage} page */
  constructor(page) {
    this.page = page;
    this.timer = 0;
    this.changed = () => {};
  }

  /** @param {"shown" | "both" | "outlined"} name */
  flip(name) {
    this.page.display.update({ [name]: !this.page.display[name] });
  }

  invert() {
    const inverted = !this.page.active.inverted;
    for (const reading of this.page.readings) reading.update({ inverted });
  }

  /** @param {number} at */
  preset(at) {
    for (const reading of this.page.readings) {
      const chosen = reading.volume && presets(reading.volume)[at];
      if (chosen) reading.update({ window: chosen.window });
    }
  }

  /** @param {number} right @param {number} down */
  window(right, down) {
    const reading = this.page.active;
    if (!reading.volume) return;
    const { percentiles } = reading.volume;
    reading.update({ window: dragged(reading.window, right, down, percentiles["99.5"] - percentiles["0"]) });
  }

  reset() {
    for (const { viewport, measure } of this.page.columns) {
      viewport.look(FITTED);
      measure.stop();
      measure.clear();
    }
    for (const reading of this.page.readings) reading.inverted = false;
    this.preset(0);
  }

  cine() {
    clearInterval(this.timer);
    this.timer = this.timer ? 0 : setInterval(() => {
      const reading = this.page.active;
      reading.go(reading.index + 1 < reading.slices ? reading.index + 1 : 0);
    }, 1000 / FRAMES_S);
    this.changed();
  }

  strongest() {
    const { active, display } = this.page;
    if (display.opinion && active.contributions.length) active.go(strongest(active));
  }

  /** @param {Kind} kind */
  measure(kind) {
    if (this.page.column.viewport.hasSlice && this.page.active.isPlaced) this.page.column.measure.toggle(kind);
    this.changed();
  }

  /** @param {Kind} kind */
  measures(kind) {
    return this.page.column.measure.isOn && this.page.column.measure.kind === kind;
  }

  /** @param {number} by */
  go(by) {
    this.page.active.go(this.page.active.index + by);
  }

  /** Scroll, or move the cursor of a measurement. @param {number} right @param {number} down @param {number} slices */
  arrow(right, down, slices) {
    const { measure, viewport } = this.page.column;
    if (measure.isOn) measure.nudge(right * STEP.cursor * viewport.ratio, down * STEP.cursor * viewport.ratio);
    else this.go(slices);
  }

  /** @param {number} right @param {number} down */
  shifted(right, down) {
    const { measure, viewport } = this.page.column;
    const { ratio, view } = viewport;
    if (measure.isOn) measure.nudge(right * STEP.fine * ratio, down * STEP.fine * ratio);
    else viewport.look({ pan: [view.pan[0] + right * STEP.pan * ratio, view.pan[1] + down * STEP.pan * ratio] });
  }

  /** @param {number} by quarters to the right */
  turn(by) {
    const { viewport } = this.page.column;
    viewport.look({ turns: viewport.view.turns + by });
  }

  /** A mirror image of what is seen: of its left and right, or with half a turn of its top and bottom. @param {number} turns */
  mirror(turns) {
    const { viewport } = this.page.column;
    viewport.look({ turns: turns - viewport.view.turns, flipped: !viewport.view.flipped });
  }

  /** Save what is seen as a file. */
  save() {
    const { viewport, reading } = this.page.column;
    viewport.canvas.toBlob((content) => {
      if (!content) return;
      const link = element("a", { href: URL.createObjectURL(content), download: `${reading.id}-${reading.index + 1}.png` });
      link.click();
      URL.revokeObjectURL(link.getAttribute("href") ?? "");
    });
  }
}

/** @param {StudyPage} page @param {Actions} actions */
function bindKeys({ keys, column, columns }, actions) {
  const measuring = () => columns.map((one) => one.measure).find((one) => one.isOn) ?? column.measure;
  const bound = /** @type {[string, string, () => void][]} */ ([
    ["ArrowUp", "previous", () => actions.arrow(0, -1, -1)],
    ["ArrowDown", "next", () => actions.arrow(0, 1, 1)],
    ["ArrowLeft", "previous", () => actions.arrow(-1, 0, -1)],
    ["ArrowRight", "next", () => actions.arrow(1, 0, 1)],
    ["PageUp", "back", () => actions.go(-STEP.slices)],
    ["PageDown", "on", () => actions.go(STEP.slices)],
    ["Home", "first", () => actions.go(-Infinity)],
    ["End", "last", () => actions.go(Infinity)],
    ["s", "strongest", () => actions.strongest()],
    ["m", "heat", () => actions.flip("shown")],
    ["b", "both", () => actions.flip("both")],
    ["o", "outline", () => actions.flip("outlined")],
    ["i", "invert", () => actions.invert()],
    ["h", "mirror", () => actions.mirror(0)],
    ["v", "upside_down", () => actions.mirror(2)],
    ["r", "right", () => actions.turn(1)],
    ["l", "left", () => actions.turn(-1)],
    [" ", "reset", () => actions.reset()],
    ["c", "cine", () => actions.cine()],
    ["+", "larger", () => actions.page.column.viewport.zoom(ZOOM)],
    ["-", "smaller", () => actions.page.column.viewport.zoom(1 / ZOOM)],
    ["Shift+ArrowUp", "pan", () => actions.shifted(0, -1)],
    ["Shift+ArrowDown", "pan", () => actions.shifted(0, 1)],
    ["Shift+ArrowLeft", "pan", () => actions.shifted(-1, 0)],
    ["Shift+ArrowRight", "pan", () => actions.shifted(1, 0)],
    ["Ctrl+ArrowUp", "window", () => actions.window(0, -STEP.window)],
    ["Ctrl+ArrowDown", "window", () => actions.window(0, STEP.window)],
    ["Ctrl+ArrowLeft", "window", () => actions.window(-STEP.window, 0)],
    ["Ctrl+ArrowRight", "window", () => actions.window(STEP.window, 0)],
    ["d", "distance", () => actions.measure("distance")],
    ["a", "angle", () => actions.measure("angle")],
    ["Enter", "point", () => measuring().isOn && measuring().down(measuring().cursor)],
    ["Escape", "stop", () => (measuring().stop(), actions.changed())],
    ["Delete", "undo", () => actions.page.column.measure.undo()],
    ["p", "save", () => actions.save()],
  ]);
  DIGITS.forEach((digit, at) => bound.push([digit, "preset", () => actions.preset(at)]));
  for (const [key, name, act] of bound) keys.bind([key], t(`study.key.${name}`), act);
}

/** The keys, for readers. @param {StudyPage} page */
function listed({ keys }) {
  /** @type {Map<string, string[]>} */
  const byName = new Map();
  for (const { keys: [key], name } of keys.bindings) byName.set(name, [...(byName.get(name) ?? []), key]);
  return [...byName].flatMap(([name, all]) => [element("dt", {}, ...all.map((key) => element("kbd", {}, shown(key)))), element("dd", {}, name)]);
}

/** @param {string} key */
function shown(key) {
  if (key === " ") return t("study.space");
  return key.replace(/Arrow(\w+)/, (_, direction) => ARROWS[direction] ?? direction);
}
