// The line around all that reaches a threshold (marching squares), in voxel coordinates.

/**
 * @param {Float32Array} plane `[rows, columns]`
 * @param {number} rows
 * @param {number} columns
 * @param {number} threshold
 * @returns {number[]} x1, y1, x2, y2 of each piece of the line
 */
export function contour(plane, rows, columns, threshold) {
  /** @type {number[]} */
  const pieces = [];
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const at = row * columns + column;
      square(pieces, column, row, plane[at], plane[at + 1], plane[at + columns + 1], plane[at + columns], threshold);
    }
  }
  return pieces;
}

/**
 * The pieces between the centres of four pixels, from the upper left one clockwise.
 * @param {number[]} pieces
 * @param {number} column
 * @param {number} row
 * @param {number} a
 * @param {number} b
 * @param {number} c
 * @param {number} d
 * @param {number} threshold
 */
function square(pieces, column, row, a, b, c, d, threshold) {
  const [inA, inB, inC, inD] = [a >= threshold, b >= threshold, c >= threshold, d >= threshold];
  if (inA === inB && inB === inC && inC === inD) return;
  /** @type {number[]} */
  const crossings = [];
  const [x, y] = [column + 0.5, row + 0.5];
  /** @param {number} one @param {number} other */
  const share = (one, other) => (threshold - one) / (other - one);
  if (inA !== inB) crossings.push(x + share(a, b), y);
  if (inB !== inC) crossings.push(x + 1, y + share(b, c));
  if (inC !== inD) crossings.push(x + 1 - share(c, d), y + 1);
  if (inD !== inA) crossings.push(x, y + 1 - share(d, a));
  // With four crossings, the corners that are inside are cut off each for itself.
  if (crossings.length === 8 && inA) crossings.push(crossings.shift() ?? 0, crossings.shift() ?? 0);
  pieces.push(...crossings);
}
