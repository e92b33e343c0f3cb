const prices = { apple: { value: 3 } };

exports.readPrice = function readPrice(item) {
  return prices[item].value;
};
