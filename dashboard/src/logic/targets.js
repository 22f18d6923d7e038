// Which targets a filter leaves, and the worst first. Pure.
import { STATUSES, known } from "../status.js";

const ORDER = Object.keys(STATUSES);

/** @param {any[]} targets @param {{text?: string | null, status?: string | null}} filter */
export function filtered(targets, { text, status }) {
  const wanted = (text ?? "").trim().toLowerCase();
  const named = (/** @type {any} */ target) =>
    [target.name, target.chain, target.network, target.endpoint, ...Object.entries(target.labels ?? {}).map(([name, value]) => `${name}=${value}`)]
      .some((each) => String(each ?? "").toLowerCase().includes(wanted));
  return targets
    .filter((each) => (!status || known(each.status) === status) && (!wanted || named(each)))
    .sort((a, b) => ORDER.indexOf(known(a.status)) - ORDER.indexOf(known(b.status)) || a.name.localeCompare(b.name));
}
