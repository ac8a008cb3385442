// How evidence is coloured: as `glow`, `heatmap` and `mixed` of app/results/render.py do it. A test compares pixels.

import { INFERNO } from "./inferno.js";

/**
 * @typedef {object} Heat
 * @property {Float32Array} plane a slice of the map, `[rows, columns]`
 * @property {number} full the value at full brightness
 * @property {number} threshold the lowest value that is coloured
 * @property {number} opacity of full brightness, from 0 to 1
 * @property {boolean} both whether evidence against the class is coloured, too
 */

const LEVELS = 256;
// Red, green and blue at equal steps. Orange and blue are told apart by nearly everybody.
const FOR = [[70, 30, 0], [200, 80, 0], [255, 160, 40], [255, 235, 190]];
const AGAINST = [[0, 25, 80], [0, 90, 190], [70, 165, 255], [205, 235, 255]];

/** @type {Uint8Array} */
const inferno = Uint8Array.from(INFERNO.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const [evidenceFor, evidenceAgainst] = [FOR, AGAINST].map(ramp);

/**
 * Red, green and blue of 256 levels, for evidence for the class and against it.
 * @param {boolean} both
 */
export function tables(both) {
  return both ? { positive: evidenceFor, negative: evidenceAgainst } : { positive: inferno, negative: null };
}

/**
 * Paint a slice.
 * @param {Uint8ClampedArray} pixels RGBA
 * @param {Uint16Array} levels the slice
 * @param {Uint8Array} greys of each level
 * @param {Heat | null} heat
 */
export function paint(pixels, levels, greys, heat) {
  const words = new Uint32Array(pixels.buffer, pixels.byteOffset, levels.length);
  for (let at = 0; at < levels.length; at++) words[at] = 0xff000000 | (greys[levels[at]] * 0x010101);
  if (heat) paintHeat(pixels, heat);
}

/** @param {Uint8ClampedArray} pixels @param {Heat} heat */
function paintHeat(pixels, { plane, full, threshold, opacity, both }) {
  const { positive, negative } = tables(both);
  const [inFavour, against] = [weighted(positive, opacity), negative && weighted(negative, opacity)];
  const kept = Float64Array.from({ length: LEVELS }, (_, level) => 1 - weightOf(level, opacity));
  // The service compares float32 numbers.
  const least = Math.fround(threshold);
  for (let at = 0; at < plane.length; at++) {
    const value = plane[at];
    const added = value > 0 ? inFavour : against;
    const size = Math.abs(value);
    if (!added || size < least || size === 0) continue;
    const level = Math.round(255 * Math.min(size / full, 1));
    for (let channel = 0; channel < 3; channel++) {
      const place = 4 * at + channel;
      pixels[place] = Math.round(kept[level] * pixels[place] + added[3 * level + channel]);
    }
  }
}

/** @param {number} level @param {number} opacity */
function weightOf(level, opacity) {
  return (opacity * level) / (LEVELS - 1);
}

/** What is added to a pixel at each level. @param {Uint8Array} table @param {number} opacity */
function weighted(table, opacity) {
  return Float64Array.from(table, (value, at) => weightOf(Math.floor(at / 3), opacity) * value);
}

/** @param {number[][]} stops */
function ramp(stops) {
  const table = new Uint8Array(3 * LEVELS);
  for (let at = 0; at < table.length; at++) {
    const [level, channel] = [Math.floor(at / 3), at % 3];
    const place = (level / (LEVELS - 1)) * (stops.length - 1);
    const before = Math.min(Math.floor(place), stops.length - 2);
    table[at] = Math.round(stops[before][channel] + (place - before) * (stops[before + 1][channel] - stops[before][channel]));
  }
  return table;
}
