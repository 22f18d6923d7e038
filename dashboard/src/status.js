// Statuses: their order, their marks and what to show when the API is away. Pure.

/** @typedef {"ok" | "warning" | "critical" | "unknown" | "paused"} Status */

/** Worst first. A mark of its own for each: colour is never the only sign. */
export const STATUSES = {
  critical: { mark: "✕", word: "critical" },
  unknown: { mark: "?", word: "unknown" },
  warning: { mark: "!", word: "warning" },
  paused: { mark: "‖", word: "paused" },
  ok: { mark: "✓", word: "ok" },
};

/** @param {string | null | undefined} status @returns {Status} */
export function known(status) {
  return status && Object.hasOwn(STATUSES, status) ? /** @type {Status} */ (status) : "unknown";
}

/** What may be said of a status we were told: nothing is green while the API is away. @param {string | null | undefined} status @param {boolean} away @returns {Status} */
export function shown(status, away) {
  const told = known(status);
  return away && told !== "paused" ? "unknown" : told;
}

/** The status of an alert's or incident's severity. @param {string} severity @returns {Status} */
export function ofSeverity(severity) {
  if (["critical", "error", "high"].includes(severity)) return "critical";
  return ["warning", "medium"].includes(severity) ? "warning" : "ok";
}

/** @param {(string | null | undefined)[]} statuses */
export function worst(statuses) {
  const order = Object.keys(STATUSES);
  return statuses.map(known).sort((a, b) => order.indexOf(a) - order.indexOf(b))[0] ?? "unknown";
}
