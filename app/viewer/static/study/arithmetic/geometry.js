// Where a slice lies on the canvas, and in the patient. Voxel coordinates: column and row, whole numbers at the edges of
// pixels, so that the centre of the first pixel is (0.5, 0.5). Patient coordinates are DICOM's: x to the patient's left,
// y to the back, z to the head, in mm.

/** @typedef {[number, number]} Point */
/** @typedef {[number, number, number]} Vector */
/** @typedef {[number, number, number, number, number, number]} Matrix as `setTransform` takes it */
/** @typedef {{zoom: number, pan: Point, turns: number, flipped: boolean}} View zoom 1 fits; pan in canvas pixels */

// The letters of each axis's positive and negative direction (PS3.3 C.7.6.1.1.1). As viewers do, H and F for head, foot.
const TOWARDS = "LPH";
const FROM = "RAF";
// A second letter is shown from this cosine on: 20 degrees out of the plane of the axes.
const OBLIQUE = Math.sin((20 * Math.PI) / 180);

/** @type {View} */
export const FITTED = Object.freeze({ zoom: 1, pan: /** @type {Point} */ ([0, 0]), turns: 0, flipped: false });

/**
 * From voxel coordinates to canvas pixels.
 * @param {View} view
 * @param {{rows: number, columns: number, down: number, across: number}} slice its size, and its spacing in mm
 * @param {{width: number, height: number}} canvas
 * @returns {Matrix}
 */
export function toCanvas(view, slice, canvas) {
  const { scale, cos, sin, mirror } = parts(view, slice, canvas);
  const a = scale * slice.across * mirror * cos;
  const b = scale * slice.across * mirror * sin;
  const c = -scale * slice.down * sin;
  const d = scale * slice.down * cos;
  const [x, y] = [slice.columns / 2, slice.rows / 2];
  const e = canvas.width / 2 + view.pan[0] - a * x - c * y;
  const f = canvas.height / 2 + view.pan[1] - b * x - d * y;
  return [a, b, c, d, e, f];
}

/**
 * Canvas pixels for each mm.
 * @param {View} view
 * @param {{rows: number, columns: number, down: number, across: number}} slice
 * @param {{width: number, height: number}} canvas
 */
export function scaleOf(view, slice, canvas) {
  return parts(view, slice, canvas).scale;
}

/**
 * @param {Matrix} matrix
 * @param {Point} point
 * @returns {Point}
 */
export function applied([a, b, c, d, e, f], [x, y]) {
  return [a * x + c * y + e, b * x + d * y + f];
}

/**
 * @param {Matrix} matrix
 * @returns {Matrix}
 */
export function inverse([a, b, c, d, e, f]) {
  const det = a * d - b * c;
  return [d / det, -b / det, -c / det, a / det, (c * f - d * e) / det, (b * e - a * f) / det];
}

/**
 * The letters of a direction in the patient: one, or two if it is oblique.
 * @param {Vector} direction
 * @returns {string}
 */
export function letters(direction) {
  const length = Math.hypot(...direction);
  return [0, 1, 2]
    .filter((axis) => Math.abs(direction[axis]) > OBLIQUE * length)
    .sort((one, other) => Math.abs(direction[other]) - Math.abs(direction[one]))
    .slice(0, 2)
    .map((axis) => (direction[axis] > 0 ? TOWARDS : FROM)[axis])
    .join("");
}

/**
 * The letters at the right edge of the canvas, the bottom, the left and the top.
 * @param {[Vector, Vector]} directions in which the column index and the row index grow
 * @param {View} view
 */
export function edges(directions, view) {
  const { cos, sin, mirror } = turned(view);
  /** @param {number} right @param {number} down @returns {Vector} */
  const patient = (right, down) => {
    const column = mirror * (cos * right + sin * down);
    const row = -sin * right + cos * down;
    return /** @type {Vector} */ (directions[0].map((one, axis) => column * one + row * directions[1][axis]));
  };
  return {
    right: letters(patient(1, 0)),
    bottom: letters(patient(0, 1)),
    left: letters(patient(-1, 0)),
    top: letters(patient(0, -1)),
  };
}

/**
 * Places of slices along a normal, in mm.
 * @param {Vector[]} positions
 * @param {Vector} normal
 */
export function along(positions, normal) {
  return positions.map((position) => dot(position, normal));
}

/**
 * @param {Vector} one
 * @param {Vector} other
 * @returns {Vector}
 */
export function cross(one, other) {
  return [
    one[1] * other[2] - one[2] * other[1],
    one[2] * other[0] - one[0] * other[2],
    one[0] * other[1] - one[1] * other[0],
  ];
}

/**
 * The index of the place that is nearest.
 * @param {number[]} places
 * @param {number} wanted
 */
export function nearest(places, wanted) {
  return places.reduce((best, place, index) => (Math.abs(place - wanted) < Math.abs(places[best] - wanted) ? index : best), 0);
}

/**
 * @param {Point} one in voxel coordinates
 * @param {Point} other
 * @param {{down: number, across: number}} spacing
 * @returns {number} in mm
 */
export function distance(one, other, { down, across }) {
  return Math.hypot((other[0] - one[0]) * across, (other[1] - one[1]) * down);
}

/**
 * The angle at `corner`.
 * @param {Point} one
 * @param {Point} corner
 * @param {Point} other
 * @param {{down: number, across: number}} spacing
 * @returns {number} in degrees, from 0 to 180
 */
export function angle(one, corner, other, { down, across }) {
  const [first, second] = [one, other].map(([x, y]) => Math.atan2((y - corner[1]) * down, (x - corner[0]) * across));
  const between = Math.abs(first - second) % (2 * Math.PI);
  return (Math.min(between, 2 * Math.PI - between) * 180) / Math.PI;
}

/**
 * The length of a scale bar: the longest of 1, 2, 5, 10, 20, 50, ... mm that isn't longer than `most`.
 * @param {number} most in mm
 */
export function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * (most / power >= 5 ? 5 : most / power >= 2 ? 2 : 1);
}

/** @param {number[]} one @param {number[]} other */
function dot(one, other) {
  return one.reduce((sum, value, axis) => sum + value * other[axis], 0);
}

/**
 * @param {View} view
 * @param {{rows: number, columns: number, down: number, across: number}} slice
 * @param {{width: number, height: number}} canvas
 */
function parts(view, slice, canvas) {
  const [wide, high] = [slice.columns * slice.across, slice.rows * slice.down];
  const [across, down] = view.turns % 2 ? [high, wide] : [wide, high];
  return { scale: view.zoom * Math.min(canvas.width / across, canvas.height / down), ...turned(view) };
}

/** @param {View} view */
function turned({ turns, flipped }) {
  const quarter = ((turns % 4) + 4) % 4;
  return { cos: [1, 0, -1, 0][quarter], sin: [0, 1, 0, -1][quarter], mirror: flipped ? -1 : 1 };
}
