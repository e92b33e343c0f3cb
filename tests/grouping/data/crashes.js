// Crashes of a small shop under Node: each bug is one defect, called with values that vary. Prints one JSON list.
"use strict";
const fs = require("fs");
const assert = require("assert");

Error.stackTraceLimit = 50;
Error.prepareStackTrace = (error, sites) =>
  sites.map((site) => ({
    function: / \([^()]*\)$/.test(site.toString()) ? site.toString().replace(/ \([^()]*\)$/, "") : null,
    file: site.getFileName() || null,
    line: site.getLineNumber(),
    column: site.getColumnNumber(),
  }));

class Cart {
  total(items) { return items.map((item) => item.price.amount); }
  static restore(text) { return JSON.parse(text); }
}
class Basket extends Cart {}

const requirePositive = (value) => { if (!(value > 0)) throw new RangeError(`value ${value} must be positive`); };
const charge = (amount) => { requirePositive(amount); };
const weigh = function (grams) { requirePositive(grams); };

const BUGS = {
  total: [(v) => new Cart().total(v), (v) => new Basket().total(v), [{}], [{}, { a: 1 }]],
  restore: [(v) => Cart.restore(v), null, "{", "[1,", "nope"],
  undefinedName: [() => undefinedArticle + 1, null, 1, 2],
  notFunction: [(v) => ({ v }).save(), null, 1, 2],
  readEmail: [(v) => { let user; return user.email; }, null, 1, 2],
  readPhone: [(v) => { let user; return user.phone; }, null, 1, 2],
  missingFile: [(v) => fs.readFileSync(`/nope/${v}`), null, "a.txt", "b/c.txt"],
  charge: [(v) => charge(v), null, -1, 0, -77.5],
  weigh: [(v) => weigh(v), null, -1, 0],
  assertion: [(v) => assert.strictEqual(v, 0, `order ${v} is not empty`), null, 1, 22],
  wrapped: [(v) => { try { BigInt(v); } catch (error) { throw new Error(`order ${v} failed`, { cause: error }); } }, null, "a", "b"],
  deep: [function deep(v) { if (!v) throw new Error(`at the bottom`); deep(v - 1); }, null, 3, 30],
  async: [async (v) => { await null; throw new TypeError(`fetch http://10.0.0.${v}/x/${v} failed`); }, null, 1, 2],
  promise: [(v) => new Promise((_, reject) => reject(new Error(`job ${v}a${v}b${v}c0ffee vanished`))), null, 12, 99],
};

function values(error) {
  const chain = [];
  for (let one = error; one; one = one.cause)
    chain.unshift({ type: one.name, value: one.message, frames: [...one.stack].reverse() });
  return chain;
}

(async () => {
  const out = [];
  for (const [bug, [run, other, ...inputs]] of Object.entries(BUGS))
    for (const call of [run, other]) {
      if (!call) continue;
      for (const input of inputs)
        try { await call(input); } catch (error) { out.push({ bug, event: { platform: "javascript", exceptions: values(error) } }); }
    }
  console.log(JSON.stringify(out));
})();
