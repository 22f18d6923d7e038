import assert from "node:assert/strict";
import { test } from "node:test";

import { fits, merged } from "./alerts.js";

const alert = (/** @type {number} */ n) => ({ id: String(n), created_at: `2026-01-01T00:00:${String(n).padStart(2, "0")}` });
const newest = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: from - to + 1 }, (_, i) => alert(from - i));

test("a tab shows its own state, and what the text names", () => {
  const firing = { status: "firing", acknowledged: false, source: "Node", alert_type: "low_peers", message: "2 of 3" };
  assert.ok(fits(firing, "firing", ""));
  assert.ok(fits(firing, "firing", " node "));
  assert.ok(!fits(firing, "firing", "mempool"));
  assert.ok(!fits({ ...firing, acknowledged: true }, "firing", ""));
  assert.ok(fits({ ...firing, acknowledged: true }, "acknowledged", ""));
  assert.ok(fits({ ...firing, status: "resolved", acknowledged: true }, "resolved", ""));
});

test("a refresh keeps the pages behind the first, without loss or repeat", () => {
  const before = { key: "k", rows: newest(20, 11), full: false };
  const after = merged(before, { key: "k", rows: newest(22, 18), page: 5 });
  assert.deepEqual(after.rows.map((each) => each.id), newest(22, 11).map((each) => each.id));
});

test("another question, or all on one page, starts anew", () => {
  const before = { key: "k", rows: newest(20, 11), full: true };
  assert.equal(merged(before, { key: "other", rows: newest(3, 1), page: 5 }).rows.length, 3);
  assert.deepEqual(merged(before, { key: "k", rows: newest(3, 1), page: 5 }), { key: "k", rows: newest(3, 1), full: true });
});
