function connect() {
  throw new Error("connection refused");
}

function query() {
  try {
    connect();
  } catch (error) {
    throw new Error("query failed", { cause: error });
  }
}

class Store {
  load() {
    try {
      query();
    } catch (error) {
      const wrapped = new TypeError("cannot load", { cause: error });
      wrapped.code = "E_LOAD";
      throw wrapped;
    }
  }
}

new Store().load();
