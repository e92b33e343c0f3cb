package main

import (
	"errors"
	"fmt"
)

func risky() {
	panic(errors.New("disk full"))
}

func main() {
	defer func() {
		if cause := recover(); cause != nil {
			panic(fmt.Sprintf("while saving: %v", cause))
		}
	}()
	risky()
}
