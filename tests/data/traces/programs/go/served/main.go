package main

import (
	"net/http"
	"net/http/httptest"
)

func handle(w http.ResponseWriter, r *http.Request) {
	panic("boom in handler")
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(handle))
	defer server.Close()
	http.Get(server.URL)
}
