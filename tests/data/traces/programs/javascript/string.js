function f() {
  throw "just text";
}
f();
