// What an entry of the audit log changed, and its line in a CSV file. Pure.

/** @param {Record<string, unknown> | null} before @param {Record<string, unknown> | null} after */
export function changes(before, after) {
  const fields = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  return fields
    .map((field) => ({ field, before: text(before, field), after: text(after, field) }))
    .filter((each) => each.before !== each.after);
}

/** @param {Record<string, unknown> | null} document @param {string} field */
function text(document, field) {
  if (!document || !Object.hasOwn(document, field)) return "";
  const value = document[field];
  return typeof value === "string" ? value : JSON.stringify(value);
}

const COLUMNS = ["seq", "at", "actor", "action", "table_name", "row_key", "before", "after", "hash"];

export const csv = {
  head: `${COLUMNS.join(",")}\r\n`,
  /** @param {Record<string, unknown>} entry */
  line: (entry) => `${COLUMNS.map((name) => cell(entry[name])).join(",")}\r\n`,
};

/** A cell that a spreadsheet takes for text, never for a formula. @param {unknown} value */
export function cell(value) {
  const plain = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
