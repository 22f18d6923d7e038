import assert from "node:assert/strict";
import { test } from "node:test";

import { endOf, roleOf, stateOf } from "./tokens.js";

const NOW = new Date("2026-01-01T00:00:00Z");
const token = { status: /** @type {const} */ ("active"), expires_at: "2026-01-15T00:00:00Z", revoked_at: null, role: "watchkeeper_ingest" };

test("a token that ends within two weeks says so, one that has ended does not", () => {
  assert.equal(stateOf(token, NOW), "active");
  assert.equal(stateOf({ ...token, expires_at: "2026-01-14T23:59:59Z" }, NOW), "ends");
  assert.equal(stateOf({ ...token, status: "expired", expires_at: "2025-12-31T00:00:00Z" }, NOW), "expired");
  assert.equal(stateOf({ ...token, status: "revoked", expires_at: "2026-01-02T00:00:00Z" }, NOW), "revoked");
});

test("the moment told of is that of its end", () => {
  assert.equal(endOf(token), token.expires_at);
  assert.equal(endOf({ ...token, revoked_at: "2025-12-01T00:00:00Z" }), "2025-12-01T00:00:00Z");
  assert.equal(roleOf(token), "ingest");
});
