const { EventEmitter } = require("node:events");

class Socket extends EventEmitter {
  close() {
    this.emit("error", new Error("socket hang up"));
  }
}

new Socket().close();
