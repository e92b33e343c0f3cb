package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

type level struct{ n int }

func (l level) explode() {
	strings.Map(func(r rune) rune {
		panic(fmt.Errorf("bad rune %q in level %d", r, l.n))
	}, "x")
}

func main() {
	if len(os.Args) > 5 {
		return
	}
	go func() { time.Sleep(time.Hour) }()
	time.Sleep(50 * time.Millisecond)
	go level{3}.explode()
	time.Sleep(time.Hour)
}
