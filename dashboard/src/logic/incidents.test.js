import assert from "node:assert/strict";
import { test } from "node:test";

import { nextStatuses, systems, wantsNote } from "./incidents.js";

test("the lifecycle", () => {
  assert.deepEqual(nextStatuses("open"), ["investigating", "resolved"]);
  assert.deepEqual(nextStatuses("closed"), ["open"]);
  assert.deepEqual(nextStatuses("nonsense"), []);
});

test("ends and reopenings want a note", () => {
  assert.ok(wantsNote("open", "resolved"));
  assert.ok(wantsNote("closed", "open"));
  assert.ok(!wantsNote("open", "investigating"));
});

test("systems come one per line or comma, each once", () => {
  assert.deepEqual(systems(" node a,\nnode b, node a\n\n"), ["node a", "node b"]);
});
