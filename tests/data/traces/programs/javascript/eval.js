function run(code) {
  return eval(code);
}
const double = new Function("x", "return x.y.z");
[1].forEach(function visit() {
  run("double({})");
});
