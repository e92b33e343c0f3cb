"""Repositories with a known guilty commit: a small shop, commits that do no harm, and one after which it crashes.

The histories are written with `git fast-import`, so that dozens take seconds. What crashes is the program itself, as it
is in the last commit; its traceback is what Python prints.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

GIT = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
START = 1_780_000_000  # seconds
APART = 20_000  # seconds between commits

BASE = {
    "README.md": "# Shop\n",
    "shop/__init__.py": "",
    "shop/config.py": """CURRENCY = "EUR"

LIMITS = {
    "small": 10,
    "large": 100,
    "bulk": 1000,
}
""",
    "shop/prices.py": """from shop import config

PRICES = {"apple": 2, "pear": 3, "plum": 5}


def price_of(name):
    return PRICES.get(name, 1)


def load_prices(order):
    found = []
    for item in order["items"]:
        found.append(price_of(item))
    return found


def discount(total, percent):
    return total * (100 - percent) / 100


def shown(total):
    return f"{total:.2f} {config.CURRENCY}"
""",
    "shop/customers.py": """CUSTOMERS = {"ana": {"name": "Ana", "address": {"city": "Graz"}}, "bob": {"name": "Bob", "address": None}}


def find(name):
    return CUSTOMERS[name]


def city_of(customer):
    address = customer["address"]
    if address is None:
        return "unknown"
    return address["city"]


def greeting(customer):
    return "Dear " + customer["name"]
""",
    "shop/orders.py": """from shop import config, customers, prices


def total(order):
    found = prices.load_prices(order)
    if not found:
        return 0
    return sum(found) / len(found) * len(order["items"])


def check_size(order):
    limit = config.LIMITS[order["size"]]
    if len(order["items"]) > limit:
        raise ValueError("too many items")


def ship(order):
    customer = customers.find(order["customer"])
    city = customers.city_of(customer)
    return customers.greeting(customer) + ", your order goes to " + city


def invoice(order):
    check_size(order)
    amount = prices.discount(total(order), order["percent"])
    return prices.shown(amount)
""",
    "shop/main.py": """from shop import orders

ORDERS = [
    {"customer": "ana", "items": ["apple", "pear"], "size": "small", "percent": 10},
    {"customer": "bob", "items": [], "size": "bulk", "percent": 0},
]


def main():
    for order in ORDERS:
        print(orders.invoice(order))
        print(orders.ship(order))


if __name__ == "__main__":
    main()
""",
}


class Edit(NamedTuple):
    """A commit: in which file what becomes what."""

    path: str
    old: str
    new: str
    message: str


GUILTY = [
    Edit("shop/orders.py", "    if not found:\n        return 0\n    return", "    return", "Simplify total"),
    Edit("shop/customers.py", '    if address is None:\n        return "unknown"\n', "", "Drop needless check of addresses"),
    Edit("shop/prices.py", "    return total * (100 - percent) / 100", "    if total:\n        return total * (100 - percent) / 100\n    return None", "Give no discount on nothing"),
    Edit("shop/config.py", '    "bulk": 1000,\n', "", "Sell no more in bulk"),
    Edit("shop/orders.py", "prices.discount(total(order), order[\"percent\"])", "prices.discount(order[\"percent\"], total)", "Pass the percentage first"),
    Edit("shop/customers.py", 'return "Dear " + customer["name"]', 'return "Dear " + customer["title"] + customer["name"]', "Greet with the title"),
    Edit("shop/main.py", '"items": [], "size": "bulk"', '"items": [], "size": "huge"', "Let Bob order huge amounts"),
    Edit("shop/prices.py", "return PRICES.get(name, 1)", 'return PRICES.get(name, "1")[0]', "Read prices as text"),
    Edit("shop/customers.py", "    return CUSTOMERS[name]", "    return CUSTOMERS.get(name.upper())", "Look customers up in capitals"),
    Edit("shop/prices.py", "return total * (100 - percent) / 100", "return total * (100 - percent) / (percent or total)", "Compute discounts anew"),
]  # fmt: skip

HARMLESS: list[Edit] = [
    Edit("shop/orders.py", "def total(order):\n", 'def total(order):\n    """The sum of an order."""\n', "Document total"),
    Edit("shop/orders.py", "def ship(order):\n", 'def ship(order):\n    """What the customer is told."""\n', "Document ship"),
    Edit("shop/orders.py", "def invoice(order):\n", "def invoice(order):\n    # The size is checked first.\n", "Explain invoice"),
    Edit("shop/prices.py", '"plum": 5', '"plum": 5, "fig": 7', "Sell figs"),
    Edit("shop/prices.py", "def shown(total):\n", 'def shown(total):\n    """With the currency."""\n', "Document shown"),
    Edit("shop/prices.py", "def load_prices(order):\n", "def load_prices(order):\n    # One price for each item.\n", "Explain load_prices"),
    Edit("shop/customers.py", "def city_of(customer):\n", 'def city_of(customer):\n    """Where a customer lives."""\n', "Document city_of"),
    Edit("shop/customers.py", '"Ana", "address": {"city": "Graz"}', '"Ana", "address": {"city": "Linz"}', "Ana moved"),
    Edit("shop/config.py", '"small": 10', '"small": 12', "Allow a dozen"),
    Edit("shop/main.py", "def main():\n", 'def main():\n    """Do all orders."""\n', "Document main"),
    Edit("README.md", "# Shop\n", "# Shop\n\nSells fruit.\n", "Describe the shop"),
    Edit("shop/config.py", '"EUR"', '"USD"', "Sell for dollars"),
]  # fmt: skip


class History(NamedTuple):
    root: Path
    guilty: str  # summary of the commit
    trace: str  # what Python printed


def make(
    root: Path,
    random: Random,
    guilty: Edit,
    run: Callable[[Path], str] | None = None,
    base: Mapping[str, str] = BASE,
    harmless: Sequence[Edit] = HARMLESS,
) -> History:
    """A repository with the tags v1.0 and v2.0; the guilty commit lies between them."""
    edits = [edit for edit in random.sample(harmless, len(harmless)) if _fits(edit, guilty, base)]
    before, after = edits[:5], edits[5:]
    place = random.randrange(len(after) + 1)
    files = dict(base)
    commits = [(dict(files), "Begin the shop", "v0.9")]
    for number, edit in enumerate([*before, *after[:place], guilty, *after[place:]]):
        assert edit.old in files[edit.path], edit
        files[edit.path] = files[edit.path].replace(edit.old, edit.new, 1)
        tag = "v1.0" if number == len(before) - 1 else "v2.0" if number == len(before) + len(after) else ""
        commits.append((dict(files), edit.message, tag))
    write(root, commits)
    return History(root, guilty.message, (run or crash)(root))


def _fits(edit: Edit, guilty: Edit, base: Mapping[str, str]) -> bool:
    """Whether both edits can be made, whichever comes first."""
    text = base[edit.path]
    return edit.path != guilty.path or (
        edit.old in text.replace(guilty.old, guilty.new, 1) and guilty.old in text.replace(edit.old, edit.new, 1)
    )


def write(root: Path, commits: list[tuple[dict[str, str], str, str]]) -> None:
    """A repository with commits of these files, messages and tags, checked out."""
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True, env=GIT)
    parts = []
    for number, (files, message, tag) in enumerate(commits):
        who = f"{('Ana', 'Bob', 'Cleo')[number % 3]} <dev@example.com> {START + number * APART} +0000"
        parts.append(
            f"commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {len(message.encode())}\n{message}\n"
        )
        parts.append("deleteall\n")
        parts += [f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
        parts.append(f"reset refs/tags/{tag}\nfrom refs/heads/main\n\n" if tag else "")
    subprocess.run(["git", "fast-import", "--quiet"], input="".join(parts).encode(), cwd=root, check=True, env=GIT)
    subprocess.run(["git", "reset", "-q", "--hard", "main"], cwd=root, check=True, env=GIT)


def crash(root: Path) -> str:
    """Run the shop, which must fail."""
    done = subprocess.run(
        [sys.executable, "-m", "shop.main"], cwd=root, capture_output=True, text=True, timeout=30, check=False,
        env={**GIT, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" in done.stderr, (root, done)
    return done.stderr
