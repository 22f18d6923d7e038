// Tokens of tools: how each stands. Pure.

const SOON_MS = 14 * 86_400_000;

/** @typedef {"active" | "ends" | "expired" | "revoked"} State */
/** @typedef {{status: "active" | "expired" | "revoked", expires_at: string, revoked_at: string | null, role: string}} Token */

/** While there is still time to make another. @param {Token} token @param {Date} now @returns {State} */
export function stateOf({ status, expires_at }, now) {
  return status === "active" && Date.parse(expires_at) - now.getTime() < SOON_MS ? "ends" : status;
}

/** The moment that its state is about. @param {Token} token */
export const endOf = ({ revoked_at, expires_at }) => revoked_at ?? expires_at;

/** As the command line calls it. @param {Token} token */
export const roleOf = ({ role }) => /** @type {"ingest" | "metrics"} */ (role.replace("watchkeeper_", ""));
