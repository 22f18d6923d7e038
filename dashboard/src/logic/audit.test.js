import assert from "node:assert/strict";
import { test } from "node:test";

import { cell, changes, csv } from "./audit.js";

test("only what differs is a change", () => {
  assert.deepEqual(changes({ name: "a", paused: false }, { name: "a", paused: true }), [{ field: "paused", before: "false", after: "true" }]);
  assert.deepEqual(changes(null, { name: "a" }), [{ field: "name", before: "", after: "a" }]);
});

test("a cell is never a formula", () => {
  assert.equal(cell("=1+1"), "'=1+1");
  assert.equal(cell('a "b", c'), '"a ""b"", c"');
  assert.equal(cell(null), "");
});

test("a line has the columns of the head", () => {
  const line = csv.line({ seq: 1, at: "t", actor: "ann", action: "insert", table_name: "targets", row_key: "x", before: null, after: { n: 1 }, hash: "f" });
  assert.equal(line, '1,t,ann,insert,targets,x,,"{""n"":1}",f\r\n');
});
