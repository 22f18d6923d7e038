// Which alerts are shown, and how a fresh first page joins the pages that were loaded before. Pure.

/** @param {any} alert @param {"firing" | "acknowledged" | "resolved"} tab @param {string} text */
export function fits(alert, tab, text) {
  const state = alert.status === "resolved" ? "resolved" : alert.acknowledged ? "acknowledged" : "firing";
  if (state !== tab) return false;
  const wanted = text.trim().toLowerCase();
  return !wanted || [alert.source, alert.alert_type, alert.message].some((each) => String(each ?? "").toLowerCase().includes(wanted));
}

/**
 * The fresh first page, and behind it what was loaded by "show more": those that are older than its last row.
 * @param {{key: string, rows: any[], full: boolean} | null} before
 * @param {{key: string, rows: any[], page: number}} fresh
 */
export function merged(before, { key, rows, page }) {
  const full = rows.length < page;
  if (!before || before.key !== key || full || before.rows.length <= page) return { key, rows, full };
  const last = rows[rows.length - 1];
  const older = before.rows.filter((each) => each.created_at < last.created_at || (each.created_at === last.created_at && each.id < last.id));
  return { key, rows: [...rows, ...older], full: before.full };
}
