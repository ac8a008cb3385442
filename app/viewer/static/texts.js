// The texts of the page in its language (app/viewer/texts.py).

const { default: texts } = await import(`./strings/${document.documentElement.lang}.js`);

/**
 * A text with values in the places of their names in braces.
 * @param {string} name
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(name, values = {}) {
  if (!(name in texts)) throw new Error(`no text ${name}`);
  return texts[name].replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ key) => String(values[key]));
}
