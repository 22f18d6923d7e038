import assert from "node:assert/strict";
import { test } from "node:test";

import { safe } from "./link.js";

test("only http(s) leads anywhere", () => {
  assert.equal(safe("https://example.org/a?b"), "https://example.org/a?b");
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "//example.org", "nonsense", null, "file:///etc/passwd", " JaVaScRiPt:alert(1)"]) assert.equal(safe(bad), null);
});
