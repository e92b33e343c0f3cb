"""A small shop whose checkout crashes: the price of one article is missing. Usage: checkout.py [ORDER]"""

import sys

PRICES = {"apple": 0.5, "bread": 2.4}


def price_of(article: str) -> float:
    return PRICES[article]


def total(order: list[str]) -> float:
    return sum(price_of(article) for article in order)


def checkout(order_id: int) -> None:
    order = ["apple", "bread", f"voucher-{order_id}"]
    try:
        amount = total(order)
    except KeyError as error:
        raise RuntimeError(f"order {order_id} cannot be paid") from error
    print(f"order {order_id}: {amount:.2f}")


if __name__ == "__main__":
    checkout(int(sys.argv[1]) if len(sys.argv) > 1 else 1001)
