function pay() {
  throw new RangeError("amount is negative");
}

try {
  pay();
} catch (error) {
  console.error("Payment of order 12 failed", error);
  process.exitCode = 1;
}
