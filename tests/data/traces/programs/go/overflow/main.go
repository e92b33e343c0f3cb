package main

import "runtime/debug"

func down(n int) int {
	return down(n+1) + 1
}

func main() {
	debug.SetMaxStack(1 << 16)
	println(down(0))
}
