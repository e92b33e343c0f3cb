const assert = require("node:assert");

function verify(total) {
  assert.strictEqual(total, 2);
}

verify(1);
