"""From bytes to events: protocols and stack-trace texts in, normalized and scrubbed events out. Pure."""
