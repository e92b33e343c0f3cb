function settings(text) {
  return JSON.parse(text);
}

settings('{"currency": }');
