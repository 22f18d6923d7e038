// Settings of which there is one: their fields, and what is saved when a field is left empty. Pure.
import { words } from "../words.js";
import { match, matchWords } from "./settings.js";

/** @typedef {{values: Record<string, any>, defaults: Record<string, any>, version: string}} Section */

const t = words.singles;
/** In the order in which they are shown. @type {Record<string, string[]>} */
const SECTIONS = {
  delivery_settings: ["storm_alerts", "flapping_changes", "flapping_window_s", "dead_after_s"],
  incident_settings: ["enabled", "resolves_itself", "critical_unacknowledged_s", "network_targets", "match"],
};
/** Where `none` says: never for this reason. */
const OPTIONAL = ["critical_unacknowledged_s", "network_targets"];

export const sections = Object.keys(SECTIONS);

/** @param {string} name @returns {string[]} */
const said = (name) => t.fields[/** @type {"enabled"} */ (name)];

/** @param {string} name @param {any} value */
export function valueWords(name, value) {
  if (value === null) return t.never;
  if (name === "match") return matchWords(value);
  return typeof value === "boolean" ? (value ? words.form.yes : words.form.no) : String(value);
}

/** What is known of each: its name, what it is, what it would be, and its sentence. @param {string} section @param {Section} told */
export function facts(section, { values, defaults }) {
  return SECTIONS[section].map((name) => ({ label: said(name)[0], value: valueWords(name, values[name]), byDefault: valueWords(name, defaults[name]), text: said(name)[1] }));
}

/** @param {string} section @param {Record<string, any>} defaults @returns {import("./form.js").Field[]} */
export function singleFields(section, defaults) {
  return SECTIONS[section].map((name) => {
    const [label, text] = said(name);
    const nullable = OPTIONAL.includes(name); // its field says what holds when it is empty
    const hint = nullable ? text : `${text} ${t.byDefault(valueWords(name, defaults[name]))}`;
    if (name === "match") return { ...match(hint), label };
    return { path: name, label, hint, fallback: defaults[name], nullable, kind: typeof defaults[name] === "boolean" ? "yes" : "whole" };
  });
}

/** All of them: what is left empty goes back to its default, and does not stay. @param {Record<string, any>} defaults @param {any} given */
export const whole = (defaults, given) => ({ ...defaults, ...given });
