function giveUp() {
  process.abort();
}

giveUp();
