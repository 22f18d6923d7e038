import assert from "node:assert/strict";
import { test } from "node:test";

import { column, statusOfState } from "./days.js";

const DAY = { up_s: 86400, down_s: 0, unknown_s: 0, maintenance_s: 0 };

test("a day that was up is one piece", () => {
  assert.deepEqual(column(DAY), [{ name: "up", top: 0, height: 100 }]);
});

test("a minute down is seen, and the column stays full", () => {
  const parts = column({ ...DAY, up_s: 86340, down_s: 60 });
  assert.equal(parts[0].name, "down");
  assert.ok(parts[0].height > 5);
  assert.ok(Math.abs(parts.reduce((sum, each) => sum + each.height, 0) - 100) < 1e-9);
});

test("a day before it was watched is empty, not up", () => {
  assert.deepEqual(column({ up_s: "0", down_s: "0", unknown_s: "0", maintenance_s: "0" }), []);
  assert.equal(statusOfState(null), "unknown");
});
