// The lifecycle of an incident, as the database has it. Pure.

/** @type {Record<string, string[]>} */
const NEXT = { open: ["investigating", "resolved"], investigating: ["resolved"], resolved: ["closed", "open"], closed: ["open"] };

/** The statuses it may go to now. @param {string} status */
export const nextStatuses = (status) => NEXT[status] ?? [];

/** Whether the step wants a note: an end says what was done, a reopening why. @param {string} status @param {string} next */
export const wantsNote = (status, next) => next === "resolved" || next === "closed" || status === "resolved" || status === "closed";

/** One system per line or comma. @param {string} text */
export function systems(text) {
  return [...new Set(text.split(/[\n,]/).map((each) => each.trim()).filter(Boolean))];
}
