async function fetchUser(id) {
  await null;
  throw new RangeError(`no user ${id}`);
}

async function main() {
  await Promise.all([fetchUser(7)]);
}

await main();
