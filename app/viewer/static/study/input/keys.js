// What keys do. Whoever needs a key binds it, and it is listed for readers.

/** @typedef {{keys: string[], name: string, act: (event: KeyboardEvent) => void}} Binding */

// Keys that the element with the focus needs itself.
/** @type {[string, RegExp][]} */
const OWN = [
  ["input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]", /./],
  ["input[type=range]", /^(Arrow|Home|End|Page)/],
  ["input[type=radio]", /^(Arrow| $)/],
  ["button, a[href], summary, input[type=checkbox]", /^( |Enter)$/],
];

export class Keys {
  constructor() {
    /** @type {Binding[]} */
    this.bindings = [];
    /** @type {Map<string, Binding>} */
    this._by = new Map();
  }

  /**
   * @param {string[]} keys as `KeyboardEvent.key` names them, with `Ctrl+` and `Shift+` before those that aren't letters
   * @param {string} name of what they do
   * @param {(event: KeyboardEvent) => void} act
   */
  bind(keys, name, act) {
    const binding = { keys, name, act };
    this.bindings.push(binding);
    for (const key of keys) this._by.set(key, binding);
  }

  /** Take keys back. @param {string[]} keys */
  release(keys) {
    for (const key of keys) this._by.delete(key);
    this.bindings = this.bindings.filter((one) => one.keys.some((key) => this._by.get(key) === one));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.defaultPrevented || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const target = /** @type {Element} */ (event.target);
    if (OWN.some(([selector, keys]) => target.matches?.(selector) && keys.test(event.key) && !event.ctrlKey)) return;
    const binding = this._by.get(named(event));
    if (!binding) return;
    event.preventDefault();
    binding.act(event);
  }
}

/** @param {KeyboardEvent} event */
function named({ key, ctrlKey, shiftKey }) {
  const shifted = shiftKey && key.length > 1 ? "Shift+" : "";
  return (ctrlKey ? "Ctrl+" : "") + shifted + (key.length === 1 ? key.toLowerCase() : key);
}
