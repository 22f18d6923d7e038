import assert from "node:assert/strict";
import { test } from "node:test";

import { documentOf, draftOf } from "./form.js";
import { facts, sections, singleFields, whole } from "./singles.js";

/** As the columns of the database have them. @type {Record<string, Record<string, any>>} */
const DEFAULTS = {
  delivery_settings: { storm_alerts: 10, flapping_changes: 6, flapping_window_s: 600, dead_after_s: 86400 },
  incident_settings: { enabled: true, match: {}, critical_unacknowledged_s: 900, network_targets: 3, resolves_itself: true },
};

/** @param {string} section @param {Record<string, any>} values */
function savedAs(section, values) {
  const fields = singleFields(section, DEFAULTS[section]);
  const { document, problems } = documentOf(fields, draftOf(fields, values));
  assert.deepEqual(problems, {});
  return whole(DEFAULTS[section], document);
}

test("what is shown is what is saved, none and off among it", () => {
  for (const section of sections) assert.deepEqual(savedAs(section, DEFAULTS[section]), DEFAULTS[section]);
  const odd = { enabled: false, match: { networks: ["base"] }, critical_unacknowledged_s: null, network_targets: 5, resolves_itself: false };
  assert.deepEqual(savedAs("incident_settings", odd), odd);
});

test("a field that is emptied goes back to its default", () => {
  const fields = singleFields("delivery_settings", DEFAULTS.delivery_settings);
  const draft = { ...draftOf(fields, { ...DEFAULTS.delivery_settings, storm_alerts: 20 }), storm_alerts: "" };
  assert.equal(whole(DEFAULTS.delivery_settings, documentOf(fields, draft).document).storm_alerts, 10);
});

test("each says its unit, its sentence and its default", () => {
  const told = facts("incident_settings", { values: { ...DEFAULTS.incident_settings, network_targets: null }, defaults: DEFAULTS.incident_settings, version: "" });
  const together = told.find((each) => each.label === "Failing together (targets)");
  assert.deepEqual([together?.value, together?.byDefault], ["never", "3"]);
  for (const section of sections) for (const field of singleFields(section, DEFAULTS[section])) assert.match(field.hint ?? "", field.nullable ? /\.$/ : /\. Default: .+\./);
});
