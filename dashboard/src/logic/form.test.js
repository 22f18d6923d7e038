import assert from "node:assert/strict";
import { test } from "node:test";

import { documentOf, draftOf, fieldsOf, flat, labelOf, placed, placeholder, readable, refusal, told, without } from "./form.js";

// As pydantic writes it.
const schema = {
  type: "object", required: ["to"],
  properties: {
    to: { type: "array", items: { type: "string" }, description: "Who gets it" },
    min_peers: { type: "integer", default: 3 },
    pace_s: { type: "number", default: 1.5 },
    critical_blocks: { anyOf: [{ type: "number" }, { type: "null" }], default: 30 },
    url: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    statuses: { type: "array", items: { anyOf: [{ type: "integer" }, { type: "string" }] }, default: ["200-399"] },
    method: { enum: ["GET", "HEAD"], type: "string", default: "GET" },
    headers: { type: "object", additionalProperties: { type: "string" }, default: {} },
    odd: { type: "array", items: { type: "object" } },
    rules: { $ref: "#/$defs/Rules", default: { low: { enabled: true, severity: "error" } } },
  },
  $defs: {
    Rules: { type: "object", properties: { low: { $ref: "#/$defs/Rule" } } },
    Rule: { type: "object", properties: { enabled: { type: "boolean", default: true }, severity: { enum: ["warning", "error"], default: "warning" } } },
  },
};
const fields = fieldsOf(schema, "params");
const by = (/** @type {string} */ path) => /** @type {any} */ (flat(fields, {}).find((each) => each.path === path));

test("each property becomes a field of its kind", () => {
  assert.deepEqual(fields.map((each) => each.kind), ["list", "whole", "number", "number", "text", "list", "choice", "map", "json", "group"]);
  assert.equal(by("params.to").required, true);
  assert.equal(by("params.to").hint, "Who gets it");
  assert.equal(by("params.rules.low.enabled").kind, "yes");
});

test("a default that lies nearer goes before the schema's own", () => {
  assert.equal(by("params.rules.low.severity").fallback, "error");
  assert.equal(fieldsOf(schema, "", { min_peers: 9 }).find((each) => each.path === "min_peers")?.fallback, 9);
});

test("placeholders tell what holds when nothing is given", () => {
  assert.equal(placeholder(by("params.min_peers")), "3");
  assert.equal(placeholder(by("params.statuses")), "200-399");
  assert.equal(placeholder(by("params.url")), "");
  assert.equal(placeholder(by("params.headers")), "");
});

test("labels read as a person writes them", () => {
  assert.equal(labelOf("tls_warn_days"), "TLS warn days");
  assert.equal(labelOf("stalled_min_s"), "Stalled min (seconds)");
  assert.equal(labelOf("interval_s"), "Interval (seconds)");
});

const document = {
  to: ["a@b", "c@d"], min_peers: 7, critical_blocks: null, method: "HEAD", headers: { "X-Y": "a=b" }, statuses: ["200"],
  odd: [{ a: 1 }], rules: { low: { enabled: false } },
};

test("a document comes back from its draft as it was", () => {
  const { document: again, problems } = documentOf(fields, draftOf(fields, document));
  assert.deepEqual(again, document);
  assert.deepEqual(problems, {});
});

test("what is left empty, or as it is by default, is left out", () => {
  const draft = draftOf(fields, { to: ["x"] });
  assert.equal(draft["params.rules.low.enabled"], true);
  assert.deepEqual(documentOf(fields, draft).document, { to: ["x"] });
});

test("what cannot be read is told beside its field", () => {
  const draft = { ...draftOf(fields, {}), "params.min_peers": "1.5", "params.pace_s": "soon", "params.odd": "{", "params.headers": "x" };
  const { document: read, problems } = documentOf(fields, draft);
  assert.deepEqual(read, {});
  assert.deepEqual(Object.keys(problems), ["params.to", "params.min_peers", "params.pace_s", "params.headers", "params.odd"]);
});

test("none is said where it means something else than nothing", () => {
  assert.equal(draftOf(fields, { critical_blocks: null })["params.critical_blocks"], "none");
  assert.equal(draftOf(fields, { url: null })["params.url"], "");
});

test("a refusal reads as a person says it", () => {
  assert.equal(readable("", 'must match ^[a-z (]+$ (is "6")'), 'is not written as it must be (is "6")');
  assert.equal(readable("1", "must have at least 3 characters (has 1)"), "line 2: must have at least 3 characters (has 1)");
  assert.equal(readable("room", "is not known"), "room: is not known");
  assert.equal(told(fields, {}, "params.rules.low.severity", "must be one of x"), "Low, Severity: must be one of x");
  assert.equal(told(fields, {}, "", "needs more"), "needs more");
});

/** @type {import("./form.js").Field[]} */
const ladder = [{ path: "steps", label: "Steps", kind: "many", fields: [
  { path: "after_s", label: "After", kind: "whole", required: true }, { path: "channels", label: "Channels", kind: "some" }] }];

test("many of a kind come back in order, and each may be taken out", () => {
  const steps = [{ after_s: 0, channels: ["a"] }, { after_s: 60 }, { after_s: 120, channels: ["b", "c"] }];
  const draft = draftOf(ladder, { steps });
  assert.deepEqual(documentOf(ladder, draft).document, { steps });
  const fewer = without(draft, ladder[0], 1);
  assert.deepEqual(documentOf(ladder, fewer).document, { steps: [steps[0], steps[2]] });
  assert.deepEqual(Object.keys(documentOf(ladder, without({ "steps.length": 1 }, ladder[0], 0)).document.steps), []);
});

test("a refusal names its field", () => {
  assert.deepEqual(refusal("target.checks.p2p.interval_s: must be at least 5 (is 1)", "target"), { path: "checks.p2p.interval_s", text: "must be at least 5 (is 1)" });
  assert.deepEqual(refusal("channel.config.to[1]: must match x: y", "channel"), { path: "config.to.1", text: "must match x: y" });
  assert.deepEqual(refusal("channel: needs more", "channel"), { path: "", text: "needs more" });
  assert.deepEqual(refusal("channels.x: other", "channel"), { path: "", text: "channels.x: other" });
  assert.deepEqual(refusal("the catalog is not published yet", "target"), { path: "", text: "the catalog is not published yet" });
});

test("it stands beside its field, or the nearest that holds it", () => {
  assert.equal(placed("params.to.1", fields, {}), "params.to");
  assert.equal(placed("params.rules.low.severity", fields, {}), "params.rules.low.severity");
  assert.equal(placed("params.rules.high", fields, {}), "params.rules");
  assert.equal(placed("shoe_size", fields, {}), "");
  assert.equal(placed("steps.1.channels", ladder, { "steps.length": 2 }), "steps.1.channels");
});
