import assert from "node:assert/strict";
import { test } from "node:test";

import { basics, fields, kindsOf, params, startOf, targetOf } from "./target_form.js";
import { flat, placed, placeholder } from "./form.js";

const schema = { type: "object", properties: { min: { type: "integer", default: 3 } } };
const catalog = {
  checks: { uptime: { params_schema: { type: "object", properties: {} }, interval_s: 60, timeout_s: 10 }, p2p: { params_schema: schema, interval_s: 30, timeout_s: 10 } },
  chains: {
    evm: { settings_schema: { type: "object", properties: { chain_id: { type: "integer" } } }, kinds: ["p2p", "uptime"], needs_endpoint: true },
    tables: { settings_schema: { type: "object", properties: {} }, kinds: ["p2p"], needs_endpoint: false },
  },
  networks: { main: { chain: "evm", settings: { chain_id: 1 }, params: { p2p: { min: 9 } } } },
};
const saved = {
  id: "i", name: "node", chain: "evm", network: "main", endpoint: "http://x", labels: { env: "prod" }, settings: { chain_id: 5 }, depends_on: ["other"],
  checks: { p2p: { interval_s: 45, timeout_s: 10, enabled: false, params: { min: 1 } } },
};

test("a target comes back from its form as it was saved", () => {
  const { document, problems } = targetOf(catalog, startOf(catalog, saved, ["other"]), ["other"], "i");
  assert.deepEqual(document, saved);
  assert.deepEqual(problems, {});
  const demanding = { ...saved, regions: { agree: 2, names: ["eu-1", "us-1"] } };
  assert.deepEqual(targetOf(catalog, startOf(catalog, demanding, ["other"]), ["other"], "i").document, demanding);
});

test("among many targets the ones it depends on are written down, not ticked", () => {
  const many = Array.from({ length: 50 }, (_, n) => (n ? `node ${n}` : "other"));
  const draft = startOf(catalog, { ...saved, depends_on: ["node 1", "other"] }, many);
  assert.deepEqual(targetOf(catalog, draft, many, "i").document.depends_on, ["node 1", "other"]);
  assert.equal(draft.depends_on, "node 1\nother");
});

test("a new one is a service until a chain is chosen", () => {
  const draft = { ...startOf(catalog, null, []), name: "web", endpoint: "https://x" };
  assert.deepEqual(targetOf(catalog, draft, [], null).document, { name: "web", endpoint: "https://x", checks: { uptime: {} } });
  assert.deepEqual(kindsOf(catalog, draft), ["uptime"]);
  assert.ok(!basics(catalog, draft, []).some((each) => each.path === "network"));
});

test("what another chain cannot do is kept in the form and left out of the document", () => {
  const draft = { ...startOf(catalog, saved, ["other"]), "checks.uptime": true, chain: "tables" };
  assert.deepEqual(Object.keys(targetOf(catalog, draft, [], null).document.checks), ["p2p"]);
  assert.deepEqual(Object.keys(targetOf(catalog, { ...draft, chain: "evm" }, [], null).document.checks), ["p2p", "uptime"]);
});

test("a network's preset shows where nothing is said", () => {
  const draft = startOf(catalog, { ...saved, checks: { p2p: {} } }, []);
  assert.equal(placeholder(params(catalog, draft, "p2p")[0]), "9");
  assert.equal(placeholder(params(catalog, { ...draft, chain: "tables" }, "p2p")[0]), "3");
});

test("an endpoint is asked for where the chain needs one", () => {
  assert.equal(targetOf(catalog, { ...startOf(catalog, null, []), name: "x", chain: "evm" }, [], null).problems.endpoint, "is missing");
  assert.equal(targetOf(catalog, { ...startOf(catalog, null, []), name: "x", chain: "tables" }, [], null).problems.endpoint, undefined);
});

test("refusals of a check stand beside it", () => {
  const draft = startOf(catalog, saved, ["other"]);
  const all = fields(catalog, draft, []);
  assert.equal(placed("checks.p2p.interval_s", all, draft), "checks.p2p.interval_s");
  assert.equal(placed("checks.p2p.params.rules.x", all, draft), "checks.p2p.params");
  assert.equal(flat(all, draft).length, new Set(flat(all, draft).map((each) => each.path)).size);
});
