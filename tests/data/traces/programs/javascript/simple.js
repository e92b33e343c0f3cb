const { readPrice } = require("./prices");

function checkout(cart) {
  return cart.map((item) => readPrice(item));
}

checkout(["pear"]);
