"""The server as processes: sockets, HTTP's lower edge, workers, and what is asked of every request."""
