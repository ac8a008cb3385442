// Each slice's share of the score as a bar, signed. A click goes to its slice.

import { t } from "../texts.js";
import { element } from "./dom.js";

/** @typedef {import("./reading/reading.js").Reading} Reading */
/** @typedef {import("./display.js").Display} Display */

const HEIGHT = 64;
// As in the diverging map (arithmetic/colours.js).
const FOR = "#ffa028";
const AGAINST = "#46a5ff";

/**
 * @param {HTMLElement} place with `canvas`, and `.sum` for the sentence
 * @param {Reading} reading
 * @param {Display} display
 */
export function strip(place, reading, display) {
  const canvas = /** @type {HTMLCanvasElement} */ (place.querySelector("canvas"));
  const sum = /** @type {HTMLElement} */ (place.querySelector(".sum"));
  const show = () => {
    const hidden = !display.opinion || reading.slices === 0;
    place.hidden = hidden;
    if (hidden) return;
    const shares = reading.contributions;
    draw(canvas, reading, shares);
    canvas.setAttribute("aria-label", described(reading, shares));
    sum.replaceChildren(...sentence(reading, shares));
  };
  reading.show(show);
  display.addEventListener("change", show);
  new ResizeObserver(show).observe(place);
  /** @param {PointerEvent} event */
  const go = (event) => {
    const box = canvas.getBoundingClientRect();
    reading.go(Math.floor(((event.clientX - box.left) / box.width) * reading.slices));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && go(event));
}

/**
 * The slice with the largest share for the class. A slice that the model doesn't look at has a share of 0, and isn't
 * meant even if all others speak against the class (app/results/common.py does the same).
 * @param {import("./reading/images.js").Images} reading
 */
export function strongest(reading) {
  const shares = reading.contributions;
  return Math.max(shares.indexOf(Math.max(...shares.filter((share) => share !== 0))), 0);
}

/** @param {HTMLCanvasElement} canvas @param {Reading} reading @param {number[]} shares */
function draw(canvas, reading, shares) {
  const ratio = devicePixelRatio;
  const [width, height] = [canvas.clientWidth * ratio, HEIGHT * ratio];
  Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const style = getComputedStyle(canvas);
  const most = Math.max(...shares, 0);
  const least = Math.min(...shares, 0);
  const scale = (height - 8 * ratio) / Math.max(most - least, 1e-9);
  const zero = 4 * ratio + most * scale;
  const step = width / reading.slices;
  for (let index = 0; index < reading.slices; index++) {
    const x = index * step;
    if (index === reading.index) {
      context.fillStyle = style.getPropertyValue("--here");
      context.fillRect(x, 0, step, height);
    }
    if (!reading.isSeen(index)) {
      context.fillStyle = style.getPropertyValue("--unseen");
      context.fillRect(x, zero - 3 * ratio, Math.max(step - ratio, 1), 6 * ratio);
    }
    const share = shares[index] ?? 0;
    context.fillStyle = share > 0 ? FOR : AGAINST;
    context.fillRect(x + step * 0.1, zero - Math.max(share, 0) * scale, step * 0.8, Math.abs(share) * scale);
  }
  context.fillStyle = style.color;
  context.fillRect(0, zero - 0.5 * ratio, width, ratio);
}

/** @param {Reading} reading @param {number[]} shares */
function described(reading, shares) {
  const best = strongest(reading);
  return t("study.strip.described", {
    class: reading.subject,
    strongest: best + 1,
    share: signed(shares[best] ?? 0),
    here: signed(shares[reading.index] ?? 0),
  });
}

/**
 * That the bars and the bias add up to the score, or that they don't.
 * @param {Reading} reading
 * @param {number[]} shares
 */
function sentence(reading, shares) {
  const { explanation } = reading.answer;
  const here = t("study.strip.here", { number: reading.index + 1, share: signed(shares[reading.index] ?? 0) });
  if (!shares.length) return [t("study.strip.none")];
  if (!explanation.exact) return [here, " ", element("strong", {}, t("study.strip.estimate", { method: explanation.method }))];
  const total = shares.reduce((sum, one) => sum + one, 0);
  const isExplained = reading.class === explanation.class && !reading.rival;
  const bias = isExplained ? explanation.bias : reading.score - total;
  const values = { sum: signed(total), bias: signed(bias), score: signed(reading.score), class: reading.subject };
  return [here, " ", element("strong", {}, t("study.strip.exact", values))];
}

/** @param {number} value */
function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}
