// Arrays in NumPy's format (NPY 1.0), read while they arrive.

import { Refusal } from "../../service.js";

/** @typedef {{shape: number[], values: Uint16Array | Float32Array}} NdArray */

/** @type {Record<string, Uint16ArrayConstructor | Float32ArrayConstructor>} */
const KINDS = { "<u2": Uint16Array, "<f4": Float32Array };
// Bytes before the text of the header; the last two of them are its length.
const PREFIX = 10;

/**
 * Read an array.
 * @param {Response} response
 * @param {(array: NdArray, values: number) => void} [arrived] told how many values have arrived
 * @returns {Promise<NdArray>}
 * @throws {Refusal} The connection ended too early.
 */
export async function readArray(response, arrived = () => {}) {
  const pieces = piecesOf(response);
  let head = /** @type {Uint8Array<ArrayBuffer>} */ (new Uint8Array(0));
  /** @type {NdArray | null} */
  let array = null;
  let bytes = new Uint8Array(0);
  let filled = 0;
  for await (let piece of pieces) {
    if (!array) {
      head = joined(head, piece);
      const length = headerLength(head);
      if (head.length < length) continue;
      array = empty(head.subarray(PREFIX, length));
      bytes = new Uint8Array(/** @type {ArrayBuffer} */ (array.values.buffer));
      piece = head.slice(length);
    }
    bytes.set(piece, filled);
    filled += piece.length;
    arrived(array, Math.floor(filled / array.values.BYTES_PER_ELEMENT));
  }
  if (!array || filled < bytes.length) throw new Refusal(0, "");
  return array;
}

/**
 * @param {Response} response
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>>}
 */
async function* piecesOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Refusal(0, "");
    });
    if (done) return;
    yield value;
  }
}

/** @param {Uint8Array} head */
function headerLength(head) {
  return head.length < PREFIX ? Infinity : PREFIX + head[PREFIX - 2] + 256 * head[PREFIX - 1];
}

/**
 * The array that a header describes, without its values. The header is a dictionary as Python writes it.
 * @param {Uint8Array} header
 * @returns {NdArray}
 */
function empty(header) {
  const text = new TextDecoder().decode(header);
  const kind = text.match(/'descr': '([^']*)'/)?.[1] ?? "";
  const shape = (text.match(/'shape': \(([^)]*)\)/)?.[1] ?? "").split(",").filter((one) => one.trim()).map(Number);
  if (!(kind in KINDS) || text.includes("'fortran_order': True")) throw new Error(`an array of ${kind} can't be read`);
  return { shape, values: new KINDS[kind](shape.reduce((product, one) => product * one, 1)) };
}

/**
 * @param {Uint8Array<ArrayBuffer>} one
 * @param {Uint8Array<ArrayBuffer>} other
 */
function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
