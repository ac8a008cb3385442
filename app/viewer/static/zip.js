// A zip of files as they are, without compression (APPNOTE.TXT 4.3), for studies with more files than a form may have.

const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50;
const VERSION = 20, UNCOMPRESSED = 0;
// 1980-01-01: the time isn't needed.
const DATE = 0x21;

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * The checksum of bytes (CRC-32 of ISO 3309).
 * @param {Uint8Array} bytes
 * @returns {number}
 */
export function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/**
 * A zip with all files, named by their numbers. At most 65,535 files and 4 GB, which is more than the service takes.
 * @param {Blob[]} files
 * @returns {Promise<Blob>}
 */
export async function zip(files) {
  /** @type {(Blob | Uint8Array<ArrayBuffer>)[]} */
  const parts = [], directory = [];
  let offset = 0;
  for (const [index, file] of files.entries()) {
    const name = new TextEncoder().encode(`${index}.dcm`);
    const sum = crc32(new Uint8Array(await file.arrayBuffer()));
    // Version, flags, method, time, date, checksum, sizes, lengths of the name and of further fields.
    const about = [[VERSION, 2], [0, 2], [UNCOMPRESSED, 2], [0, 2], [DATE, 2], [sum, 4], [file.size, 4], [file.size, 4], [name.length, 2], [0, 2]];
    parts.push(numbers([[LOCAL, 4], ...about]), name, file);
    directory.push(numbers([[CENTRAL, 4], [VERSION, 2], ...about, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), name);
    offset += 30 + name.length + file.size;
  }
  const size = new Blob(directory).size;
  const end = [[END, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]];
  return new Blob([...parts, ...directory, numbers(end)], { type: "application/zip" });
}

/**
 * Numbers with their sizes in bytes, little-endian.
 * @param {number[][]} fields
 * @returns {Uint8Array<ArrayBuffer>}
 */
function numbers(fields) {
  const bytes = [];
  for (const [value, size] of fields) for (let index = 0; index < size; index++) bytes.push((value >>> (8 * index)) & 0xff);
  return Uint8Array.from(bytes);
}
