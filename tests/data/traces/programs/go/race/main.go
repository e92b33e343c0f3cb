package main

import "sync"

func bump(n *int, group *sync.WaitGroup) {
	*n++
	group.Done()
}

func main() {
	var group sync.WaitGroup
	n := 0
	group.Add(2)
	for range [2]int{} {
		go bump(&n, &group)
	}
	group.Wait()
}
