import assert from "node:assert/strict";
import { test } from "node:test";

import { factorsToAsk, freeName, picture } from "./mfa.js";

const app = { id: "1", factor_type: "totp", status: "verified" };

/** @param {object[] | undefined} factors @param {string} current @param {string} next */
const api = (factors, current, next) => ({
  session: async () => (factors === null ? null : { user: { factors } }),
  auth: { mfa: { getAuthenticatorAssuranceLevel: async () => ({ data: { currentLevel: current, nextLevel: next } }) } },
});

test("a code is asked of who has an app and did not use it", async () => {
  assert.deepEqual(await factorsToAsk(api([app], "aal1", "aal2")), [app]);
  assert.deepEqual(await factorsToAsk(api([app], "aal2", "aal2")), []);
  assert.deepEqual(await factorsToAsk(api([app, { ...app, status: "unverified" }, { ...app, factor_type: "phone" }], "aal1", "aal2")), [app]);
  assert.deepEqual(await factorsToAsk(api([{ ...app, factor_type: "phone" }], "aal1", "aal2")), [], "a kind that this page cannot ask for");
  assert.deepEqual(await factorsToAsk(api(undefined, "aal1", "aal1")), []);
  assert.deepEqual(await factorsToAsk(api(undefined, null, null)), [], "an API without levels");
  assert.deepEqual(await factorsToAsk(api(null, null, null)), []);
});

test("a new app has a name of its own", () => {
  assert.equal(freeName("App", [undefined, "another"]), "App");
  assert.equal(freeName("App", ["App", "App 2", "App 4"]), "App 3");
});

test("a picture is whole whatever is in it", () => {
  const shown = picture('data:image/svg+xml;utf-8,<svg fill="#000,%"/>');
  assert.equal(decodeURIComponent(shown.slice("data:image/svg+xml,".length)), '<svg fill="#000,%"/>');
  assert.ok(!shown.includes("#"));
});
