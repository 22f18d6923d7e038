import assert from "node:assert/strict";
import { test } from "node:test";

import { filtered } from "./targets.js";

const targets = [
  { name: "b", status: "ok", labels: { env: "prod" } },
  { name: "a", status: "ok", chain: "evm" },
  { name: "c", status: "critical" },
  { name: "d", status: "nonsense" },
];

test("the worst comes first, then by name; what we do not know is unknown", () => {
  assert.deepEqual(filtered(targets, {}).map((each) => each.name), ["c", "d", "a", "b"]);
});

test("text finds names, chains and labels", () => {
  assert.deepEqual(filtered(targets, { text: "ENV=prod" }).map((each) => each.name), ["b"]);
  assert.deepEqual(filtered(targets, { text: "evm", status: "ok" }).map((each) => each.name), ["a"]);
  assert.deepEqual(filtered(targets, { status: "unknown" }).map((each) => each.name), ["d"]);
});
