// Dark, as reading rooms are; light if somebody chose so in this browser. Runs before the page is painted.

const LIGHT = "cruciate-light";

/** @returns {boolean} */
const isLight = () => localStorage.getItem(LIGHT) === "1";
const show = () => document.documentElement.classList.toggle("light", isLight());

show();
document.addEventListener("DOMContentLoaded", () => {
  const button = /** @type {HTMLButtonElement} */ (document.getElementById("theme"));
  const say = () => button.setAttribute("aria-pressed", String(isLight()));
  say();
  button.addEventListener("click", () => {
    localStorage.setItem(LIGHT, isLight() ? "0" : "1");
    show();
    say();
  });
});
