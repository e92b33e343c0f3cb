package main

type cart struct{ prices *map[string]int }

func (c *cart) price(item string) int {
	return (*c.prices)[item]
}

func main() {
	c := &cart{}
	println(c.price("pear"))
}
