// The elements of the review panel.

import { t } from "../../texts.js";
import { localTime } from "../../times.js";
import { element } from "../dom.js";

const VERDICTS = ["agree", "grade", "cannot-judge"];
const GRADES = ["healthy", "minor strain", "partial rupture or strain", "complete rupture"];
const REASONS = ["motion", "metal", "noise", "coverage", "reconstruction", "other"];
const TOOLS = ["brush", "erase", "box", "undo", "copy"];

/**
 * Make the panel.
 * @param {HTMLElement} root
 */
export function form(root) {
  const fields = {
    verdicts: VERDICTS.map((name) => input("radio", { name: "verdict", value: name })),
    grade: choice("review.grade.choose", GRADES.map((name) => [name, name])),
    reason: choice("review.reason.choose", REASONS.map((name) => [name, t(`review.reason.${name}`)])),
    side: choice("review.side.unsaid", [["L", t("review.side.L")], ["R", t("review.side.R")]]),
    comment: /** @type {HTMLTextAreaElement} */ (element("textarea", { rows: "3", maxlength: "4000", "aria-describedby": "review-hint" })),
    size: input("range", { min: "0.5", max: "12", step: "0.5", value: "2" }),
    hide: input("checkbox", {}),
  };
  /** @type {Record<string, HTMLButtonElement>} */
  const buttons = Object.fromEntries([...TOOLS, "begin", "save"].map((name) => [name, /** @type {any} */ (element("button", { type: "button", class: name === "save" ? "primary" : "" }, t(`review.${name}`)))]));
  for (const name of ["brush", "erase", "box"]) buttons[name].setAttribute("aria-pressed", "false");
  buttons.begin.hidden = true;
  const drawn = element("p", { class: "quiet" }, t("review.drawn.none"));
  const status = element("p", { role: "status" });
  const history = element("div", { class: "history" });
  root.replaceChildren(
    element("h2", {}, t("review.title")),
    label(fields.hide, "review.hide"),
    element("fieldset", {}, element("legend", {}, t("review.verdict")), ...fields.verdicts.map((one) => label(one, `review.${one.value}`))),
    named(fields.grade, "review.grade"),
    named(fields.reason, "review.cannot-judge"),
    named(fields.side, "review.side"),
    element("fieldset", {}, element("legend", {}, t("review.draw")), element("div", { class: "draw" }, ...TOOLS.map((name) => buttons[name]), buttons.begin), named(fields.size, "review.size"), drawn),
    named(fields.comment, "review.comment"),
    element("p", { class: "quiet", id: "review-hint" }, t("review.comment.hint")),
    buttons.save,
    status,
    history,
  );
  const verdict = () => fields.verdicts.find((one) => one.checked)?.value ?? "";
  const fit = () => {
    shown(fields.grade, verdict() === "grade");
    shown(fields.reason, verdict() === "cannot-judge");
  };
  root.addEventListener("input", fit);
  fit();
  return {
    root,
    fields,
    buttons,

    /** What the reader says; null if something is missing. */
    said() {
      const chosen = verdict();
      const grade = chosen === "grade" ? fields.grade.value : null;
      const reason = chosen === "cannot-judge" ? fields.reason.value : null;
      if (!chosen || grade === "" || reason === "") return null;
      return { verdict: chosen, grade, reason, laterality: fields.side.value || null, comment: fields.comment.value };
    },

    /** Fill in a review. @param {any} review */
    show(review) {
      for (const one of fields.verdicts) one.checked = one.value === review.verdict;
      fields.grade.value = review.grade ?? "";
      fields.reason.value = review.reason ?? "";
      fields.side.value = review.laterality ?? "";
      fields.comment.value = review.comment;
      fit();
    },

    /** @param {number[]} slices @param {import("./drawing.js").Box | null} box */
    drawn(slices, box) {
      const told = [slices.length ? t("review.drawn", { slices: slices.map((one) => one + 1).join(", ") }) : t("review.drawn.none")];
      if (box) told.push(t("review.boxed", { first: box[0][0] + 1, last: box[0][1] }));
      drawn.textContent = told.join(" ");
    },

    /** @param {string} text @param {boolean} [alarm] @param {string} [login] where to log in, in another tab */
    say(text, alarm = false, login = "") {
      const link = element("a", { href: login, target: "_blank" }, t("review.log_in"));
      status.replaceChildren(text, ...(login ? [" ", link] : []));
      status.classList.toggle("alarm", alarm);
      // Whoever has pressed the button must see what came of it.
      if (buttons.save.matches(":focus")) status.scrollIntoView({ block: "nearest" });
    },

    /** @param {any} listed */
    history({ reviews, withheld }) {
      const rows = reviews.map((/** @type {any} */ one) => element("li", {}, line(one)));
      history.replaceChildren(
        ...(rows.length ? [element("h3", {}, t("review.history")), element("ul", {}, ...rows)] : []),
        ...(withheld ? [element("p", { class: "quiet" }, t("review.withheld", { count: withheld }))] : []),
      );
    },
  };
}

/** A review in one line. @param {any} one */
function line(one) {
  const diagnosis = one.verdict === "agree" ? t("review.agree") : one.grade ?? `${t("review.cannot-judge")} (${t(`review.reason.${one.reason}`)})`;
  const time = localTime(one.created);
  const reader = one.reader.replace(/^(key|user) /, "") || t("review.reader.none");
  return `${t("review.history.one", { reader, time, diagnosis })} (${t(one.current ? "review.counts" : "review.replaced")})`;
}

/** @param {string} type @param {Record<string, string>} attributes */
function input(type, attributes) {
  return /** @type {HTMLInputElement} */ (element("input", { type, ...attributes }));
}

/** @param {string} first @param {string[][]} options */
function choice(first, options) {
  const none = element("option", { value: "" }, t(first));
  return /** @type {HTMLSelectElement} */ (element("select", {}, none, ...options.map(([value, text]) => element("option", { value }, text))));
}

/** @param {HTMLElement} field @param {string} name */
function label(field, name) {
  return element("label", { class: "choice" }, field, ` ${t(name)}`);
}

/** @param {HTMLElement} field @param {string} name */
function named(field, name) {
  return element("label", {}, t(name), " ", field);
}

/** @param {HTMLElement} field @param {boolean} is */
function shown(field, is) {
  /** @type {any} */ (field.closest("label")).hidden = !is;
}
