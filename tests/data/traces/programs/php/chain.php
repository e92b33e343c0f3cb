<?php
namespace Shop;

class Cart
{
    public function price(string $item): int
    {
        return (function () use ($item) {
            throw new \OutOfBoundsException("no $item");
        })();
    }

    public static function total(array $items): int
    {
        try {
            return array_sum(array_map(fn ($item) => (new self())->price($item), $items));
        } catch (\OutOfBoundsException $error) {
            throw new \RuntimeException("total failed\nfor good", 5, $error);
        }
    }
}

function main()
{
    Cart::total(['pear']);
}

main();
