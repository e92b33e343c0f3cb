"""The dashboard: pages for browsers, made on the server from what the HTTP interface gives to programs."""
