import assert from "node:assert/strict";
import { test } from "node:test";

import { documentOf, draftOf } from "./form.js";
import { beatWords, channelFields, escalationFields, heartbeatFields, hoursWords, isOver, leadsTo, manner, matchWords, newSilence, objectiveFields, planFields, rotationFields, routeFields, silenceFields, stepWords } from "./settings.js";

const notifiers = {
  mail: { config_schema: { type: "object", required: ["to"], properties: { to: { type: "array", items: { type: "string" } } } }, secrets: ["password"], required_secrets: ["password"] },
  topic: { config_schema: { type: "object", properties: {} }, secrets: [], required_secrets: [] },
};

test("a channel asks for what its kind needs", () => {
  const fields = channelFields(notifiers, "mail", "On call!", false);
  const { document, problems } = documentOf(fields, draftOf(fields, { name: "x", kind: "mail" }));
  assert.deepEqual(document, { name: "x", kind: "mail" });
  assert.deepEqual(Object.keys(problems), ["config.to", "secrets.password"]);
  const secret = fields.find((each) => each.path === "secrets")?.fields?.[0];
  assert.equal(secret?.ideas?.[0], "ssm:/watchkeeper/channels/On-call/password");
  assert.match(secret?.ideas?.[2] ?? "", /^env:CHANNEL_[A-Z0-9_]+$/);
  assert.deepEqual(channelFields(notifiers, "topic", "", true).map((each) => each.path), ["name", "kind", "person", "rate_per_minute", "enabled"]);
});

/** @type {[string, import("./form.js").Field[], any][]} */
const kinds = [
  ["channel", channelFields(notifiers, "mail", "x", true), { name: "x", kind: "mail", config: { to: ["a@b"] }, secrets: { password: "env:CHANNEL_X" }, person: "a@b", rate_per_minute: 5, enabled: false }],
  ["route", routeFields(["chat"], ["ladder"], "UTC", true), { name: "r", position: 5, match: { min_severity: "error", targets: ["a, b"], labels: { env: "prod" } },
    hours: { from: "09:00", to: "17:00", time_zone: "Europe/Berlin", days: ["mon"] }, channels: ["chat"], escalation: "ladder", continue: true, group_wait_s: 0, remind_every_s: 60, enabled: false }],
  ["rotation", rotationFields("UTC", true), { name: "r", people: ["a@b", "c@d"], starts_at: "2026-01-05T09:00", shift_days: 1, time_zone: "Europe/Berlin" }],
  ["escalation", escalationFields(["chat"], ["r"], true), { name: "e", repeats: 2, steps: [{ after_s: 0, on_call: ["r"] }, { after_s: 60, channels: ["chat"] }] }],
  ["heartbeat", heartbeatFields("UTC", true), { name: "h", cron: "30 2 * * *", time_zone: "UTC", grace_s: 0, severity: "warning", labels: { a: "b" }, paused: true }],
  ["report plan", planFields(["chat"], ["core"], "sla", true), { name: "p", kind: "sla", formats: ["pdf"], channels: ["chat"], enabled: false, objective: "core", match: { labels: { env: "prod" } } }],
  ["service level", objectiveFields(true), { name: "core", percent: 99.95, window_days: 7, counts_unknown: "down", burn_alerts: false, match: { targets: ["a, b"], labels: { env: "prod" } } }],
  ["compliance plan", planFields(["chat"], ["core"], "compliance", true), { name: "p", kind: "compliance", formats: ["pdf"] }],
  ["silence", silenceFields("UTC"), { comment: "c", kind: "maintenance", starts_at: "2026-01-05T09:00", ends_at: "2026-01-05T10:00", time_zone: "UTC", rrule: "FREQ=DAILY", match: { kinds: ["p2p"] } }],
];

for (const [kind, fields, document] of kinds) {
  test(`a ${kind} comes back from its form as it was saved`, () => {
    assert.deepEqual(documentOf(fields, draftOf(fields, document)), { document, problems: {} });
  });
}

test("a silence is over by the clocks of its own zone", () => {
  const silence = { active: false, rrule: null, ends_at: "2026-07-05T10:00:00", time_zone: "Europe/Berlin" };
  assert.equal(isOver(silence, new Date("2026-07-05T07:59:59Z")), false);
  assert.equal(isOver(silence, new Date("2026-07-05T08:00:00Z")), true);
  assert.equal(isOver({ ...silence, rrule: "FREQ=DAILY" }, new Date("2026-08-05T08:00:00Z")), false);
});

test("a new silence lasts an hour from now", () => {
  const { starts_at, ends_at } = newSilence(new Date(2026, 0, 5, 9, 30), "UTC");
  assert.deepEqual([starts_at, ends_at], ["2026-01-05T09:30", "2026-01-05T10:30"]);
});

test("what a route takes and where it leads is told in words", () => {
  assert.equal(matchWords({}), "every alert");
  assert.equal(matchWords({ labels: { env: "prod" }, targets: ["a", "b"], min_severity: "error" }), "error or worse; targets a, b; labels env=prod");
  assert.equal(leadsTo({ channels: ["chat"], escalation: "ladder" }), "chat, escalation ladder");
  assert.deepEqual(manner({ group_wait_s: 10, remind_every_s: null, continue: false, hours: null }), []);
  assert.equal(manner({ group_wait_s: 60, remind_every_s: 3600, continue: true, hours: { days: ["mon", "tue"], from: "09:00" } }).length, 4);
  assert.equal(hoursWords({ from: "09:00", to: "17:00" }), "09:00–17:00 (UTC)");
});

test("steps and beats are told in words", () => {
  assert.equal(stepWords({ after_s: 0, on_call: ["primary"] }, 0), "at once: on call primary");
  assert.equal(stepWords({ after_s: 300, channels: ["a", "b"] }, 1), "after 5 min: a, b");
  assert.equal(stepWords({ after_s: 0 }, 0), "at once: nobody");
  assert.equal(beatWords({ period_s: 3600, grace_s: 300, time_zone: "UTC" }), "every 1 h, 5 min of grace");
  assert.equal(beatWords({ cron: "30 2 * * *", grace_s: 0, time_zone: "UTC" }), "30 2 * * * (UTC), 0 s of grace");
});
