"""The HTTP interface: ingest, reading, triage, administration, and the description of all of it."""
