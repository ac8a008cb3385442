// Two readings side by side: they scroll together, by the position of their slices in mm.

import { nearest } from "./arithmetic/geometry.js";

/** @typedef {import("./reading/images.js").Images} Images */

// The cosine of half a right angle.
const PARALLEL = Math.SQRT1_2;

/**
 * Let two readings follow each other.
 * @param {Images} one
 * @param {Images} other
 * @param {() => boolean} isOn
 */
export function together(one, other, isOn) {
  for (const [from, to] of [[one, other], [other, one]]) {
    let before = -1;
    from.addEventListener("change", () => {
      const moved = from.index !== before;
      before = from.index;
      if (!moved || !isOn() || !isParallel(from, to)) return;
      to.go(counterpart(from, to));
    });
  }
}

/**
 * The slice of `to` at the place where `from` is. In another study the knee lies elsewhere, so the middles of both
 * volumes are taken for the same place.
 * @param {Images} from
 * @param {Images} to
 */
export function counterpart(from, to) {
  const [mine, theirs] = [from.places(from.normal), to.places(from.normal)];
  const same = from.study === to.study;
  const shift = same ? 0 : middle(theirs) - middle(mine);
  const there = nearest(theirs, mine[from.index] + shift);
  // Where slices of one lie between those of the other, the answer must lead back to where it came from.
  const step = to.volume.spacing_mm[0] / 2;
  return Math.abs(theirs[to.index] - mine[from.index] - shift) <= step ? to.index : there;
}

/** Whether slices of both lie in about the same plane: others have no counterpart. @param {Images} from @param {Images} to */
function isParallel(from, to) {
  if (!from.isPlaced || !to.isPlaced) return false;
  const [mine, theirs] = [from.normal, to.normal];
  return Math.abs(mine.reduce((sum, one, axis) => sum + one * theirs[axis], 0)) > PARALLEL;
}

/** @param {number[]} places */
function middle(places) {
  return (places[0] + places[places.length - 1]) / 2;
}
