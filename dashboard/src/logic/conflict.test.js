import assert from "node:assert/strict";
import { test } from "node:test";

import { conflictOf, differing } from "./conflict.js";
import { draftOf } from "./form.js";
import { escalationFields, routeFields } from "./settings.js";

test("a conflict is told from other refusals", () => {
  assert.equal(conflictOf({ argument: "route", refused: "route.version: ann changed it, after you read it" }), "ann changed it, after you read it");
  assert.equal(conflictOf({ argument: "route", refused: "route.channels: there is no channel x" }), "");
  assert.equal(conflictOf({ argument: "route", refused: "" }), "");
});

test("what differs is named by its label, each of many once", () => {
  const fields = routeFields(["chat"], [], "UTC", true);
  const stored = { name: "all", position: 100, match: {}, channels: ["chat"], enabled: true };
  const draft = draftOf(fields, stored);
  assert.deepEqual(differing(fields, draft, stored), []);
  assert.deepEqual(differing(fields, { ...draft, position: "7", "match.labels": "env=prod" }, stored), ["Position", "Labels"]);
  const steps = escalationFields(["chat"], [], true);
  const ladder = { name: "l", repeats: 0, steps: [{ after_s: 0, channels: ["chat"] }, { after_s: 60 }] };
  assert.deepEqual(differing(steps, draftOf(steps, ladder), { ...ladder, steps: [ladder.steps[0]] }), ["Steps"]);
});
