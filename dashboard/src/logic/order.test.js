import assert from "node:assert/strict";
import { test } from "node:test";

import { moved } from "./order.js";

const list = ["a", "b", "c"].map((name) => ({ name }));
/** @param {string} name @param {1 | -1} way */
const told = (name, way) => {
  const found = moved(list, name, way);
  return found && [found.list.map((each) => each.name).join(""), found.before, found.place];
};

test("a step says the new order, before whom, and which place that is", () => {
  assert.deepEqual(told("c", -1), ["acb", "b", 2]);
  assert.deepEqual(told("b", 1), ["acb", null, 3]);
  assert.deepEqual(told("a", 1), ["bac", "c", 2]);
  assert.deepEqual(list.map((each) => each.name), ["a", "b", "c"], "the list itself stays");
});

test("there is no way past the ends, nor for who is not there", () => {
  assert.deepEqual([told("a", -1), told("c", 1), told("x", 1)], [null, null, null]);
});
