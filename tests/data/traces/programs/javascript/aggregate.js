async function fail(name) {
  throw new Error(name);
}

async function main() {
  await Promise.any([fail("one"), fail("two")]);
}

main();
