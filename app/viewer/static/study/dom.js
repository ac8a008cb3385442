// Elements with text. Nothing that comes from DICOM or from the service becomes HTML.

/**
 * @param {string} tag
 * @param {Record<string, string | boolean | EventListener>} attributes an `on...` one is a listener
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Terms with their descriptions. @param {[string, Node | string][]} pairs */
export function terms(pairs) {
  return element("dl", {}, ...pairs.flatMap(([term, what]) => [element("dt", {}, term), element("dd", {}, what)]));
}

/** No probability is 0 or 1. @param {number} share from 0 to 1 */
export function percent(share) {
  if (share < 0.001) return "< 0.1 %";
  if (share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(share > 0.99 || share < 0.01 ? 1 : 0)} %`;
}
