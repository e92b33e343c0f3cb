package main

import "os"

func pick[T any](items []T, n int) T {
	return items[n]
}

func main() {
	println(pick([]string{"a", "b"}, len(os.Args)+4))
}
