// Times for people: the same form on every page, in every browser.

/** 2026-11-30. @param {string} date as DICOM writes it: 20261130 */
export const day = (date) => date.replace(/(....)(..)(..)/, "$1-$2-$3");

/**
 * 2026-11-30 09:31, in the time of this place.
 * @param {string} text in UTC, ISO 8601
 */
export function localTime(text) {
  const date = new Date(text);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
