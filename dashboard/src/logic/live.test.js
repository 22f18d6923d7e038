import assert from "node:assert/strict";
import { test } from "node:test";

import { judgeSoon, rest } from "./live.js";

const soon = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

test("typing that goes on is asked about once, when it rests", async () => {
  const form = { refused: "" };
  let asked = 0;
  for (let n = 0; n < 5; n += 1) judgeSoon(form, async () => `problem ${(asked += 1)}`, () => {}, 5);
  assert.equal(form.judging, true);
  await soon(30);
  assert.deepEqual([asked, form.refused, form.judging], [1, "problem 1", false]);
});

test("a late answer never overwrites a newer one", async () => {
  const form = { refused: "" };
  /** @type {((problem: string) => void)[]} */
  const answers = [];
  const judge = () => /** @type {Promise<string>} */ (new Promise((resolve) => answers.push(resolve)));
  judgeSoon(form, judge, () => {}, 0);
  await soon();
  judgeSoon(form, judge, () => {}, 0);
  await soon();
  answers[1]("new");
  await soon();
  answers[0]("old");
  await soon();
  assert.equal(form.refused, "new");
});

test("what is saved meanwhile is not judged any more, and an API that is away is no problem of the draft", async () => {
  const form = { refused: "" };
  judgeSoon(form, async () => "late", () => {}, 0);
  rest(form);
  await soon();
  assert.deepEqual([form.refused, form.judging], ["", false]);
  judgeSoon(form, () => Promise.reject(Object.assign(new Error("gone"), { kind: "unreachable" })), () => {}, 0);
  await soon();
  assert.equal(form.refused, "");
  judgeSoon(form, () => Promise.reject(Object.assign(new Error("no"), { kind: "refused" })), () => {}, 0);
  await soon();
  assert.equal(form.refused, "no");
});
