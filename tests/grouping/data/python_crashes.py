"""Crashes of a small shop, to capture real Python stacks: each `bug_…` is one defect with various values.

Run `python tests/grouping/data/capture.py python` to write `python.json` again.
"""

import asyncio, concurrent.futures, functools, importlib, json, sqlite3, subprocess, sys, threading, uuid  # noqa: I001

PRICES = {"apple": 1}


class OrderError(Exception):
    pass


def retry(function):
    @functools.wraps(function)
    def wrapper(*args):
        try:
            return function(*args)
        except ConnectionError as error:
            raise OrderError(f"gave up on {args} after 3 attempts") from error

    return wrapper


def check_positive(value):
    if value <= 0:
        raise ValueError(f"expected a positive number, got {value}")


def login_required(function):
    def wrapper(user, *args):
        if not user:
            raise PermissionError(f"user {user!r} may not do that")
        return function(user, *args)

    return wrapper


def bug_missing_price(name):
    return sum(PRICES[item] for item in [name])


def bug_missing_stock(name):
    stock = {"apple": 3}
    return [stock[item] for item in ("apple", name)]


def bug_quantity_not_a_number(text):
    return int(text)


def bug_no_email(_):
    customer = None
    return customer.email


def bug_no_phone(_):
    return _contact(None)


def _contact(customer):
    return customer.phone


def bug_division(amount):
    return amount / 0


def bug_page_out_of_range(page):
    return [1, 2, 3][page]


def bug_missing_file(name):
    return open(f"/var/lib/shop-missing/{name}")


def _parse_quantity(text):
    return float(text)


def bug_order_wraps(value):
    order, text = value
    try:
        _parse_quantity(text)
    except ValueError as error:
        raise OrderError(f"order {order} is broken") from error


def _ship_directly(weight):
    check_positive(weight)


def _charge(amount):
    check_positive(amount)


def bug_weight(weight):
    _ship_directly(weight)


def bug_charge(amount):
    _charge(amount)


def bug_recursion(depth):
    def down(left):
        if not left:
            raise RuntimeError(f"too deep: {depth}")
        down(left - 1)

    down(depth)


def bug_exception_group(values):
    failures = []
    for text in values:
        try:
            complex(text)
        except ValueError as error:
            failures.append(error)
    try:
        PRICES["pear"]
    except KeyError as error:
        failures.insert(len(values) % 2, error)
    raise ExceptionGroup(f"{len(failures)} imports failed", failures)


def bug_lambda(value):
    return sorted([value, 1], key=lambda item: item["rank"])


def bug_json(text):
    return json.loads(text)


async def _fetch(value):
    await asyncio.sleep(0)
    raise TimeoutError(f"no answer from 10.0.0.{value}:80{value} within {value}.5 s")


def bug_async(value):
    async def main():
        await asyncio.gather(_fetch(value))

    asyncio.run(main())


def bug_thread_pool(value):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(_work, value).result()


def _work(value):
    raise LookupError(f"job {uuid.UUID(int=value)} vanished at 2024-01-0{value % 9 + 1}T10:00:00Z")


def bug_decode(data):
    return data.decode("utf-8")


def bug_argument(value):
    return _contact(value, colour="red")


def bug_import(value):
    return importlib.import_module("shop_plugins_missing")


def bug_import_other(value):
    return importlib.import_module("shop_reports_missing")


def bug_cache_then_database(name):
    try:
        PRICES[name]
    except KeyError:
        sqlite3.connect(":memory:").execute("select price from prices where name = ?", (name,))


def bug_cache_then_parse(name):
    try:
        PRICES[name]
    except KeyError:
        raise OrderError(f"unknown article '{name}'")  # noqa: B904


def bug_command(value):
    subprocess.run([sys.executable, "-c", f"raise SystemExit({value})"], check=True)


def bug_object(value):
    raise RuntimeError(f"cannot lock {threading.Lock()} for <Cart {value}> after {value}ms")


@login_required
def _delete(user, item):
    return item


def bug_login(user):
    _delete("", user)


class Cart:
    def save(self, key):
        return {}[key]


class Invoice:
    def save(self, key):
        return {}[key]


def bug_cart_save(key):
    Cart().save(key)


def bug_invoice_save(key):
    Invoice().save(key)


@retry
def _connect(host):
    raise ConnectionError(f"connection to {host} refused")


def bug_retry(host):
    _connect(host)


def bug_endless(value):
    return _endless_other(value + 1)


def _endless_other(value):
    return bug_endless(len(str(value)))


CRASHES = {
    bug_endless: [1, 2, 3],
    bug_missing_price: ["pear", "plum-12", "x y"],
    bug_missing_stock: ["pear", "fig"],
    bug_quantity_not_a_number: ["twelve", "1,5", "it's"],
    bug_no_email: [1, 2],
    bug_no_phone: [1, 2],
    bug_division: [1, 2.5],
    bug_page_out_of_range: [7, 99],
    bug_missing_file: ["a.txt", "b c.csv"],
    bug_order_wraps: [(1, "a"), (77, "b b")],
    bug_weight: [-1, 0, -2.5],
    bug_charge: [-1, 0],
    bug_recursion: [3, 40],
    bug_exception_group: [["a", "b"], ["x"], ["p", "q", "r"]],
    bug_lambda: [{}, {"a": 1}],
    bug_json: ["{", "[1,", "nope"],
    bug_async: [1, 2],
    bug_thread_pool: [3, 2**64 + 12345],
    bug_decode: [b"\xff", b"abc\xfe"],
    bug_argument: [1],
    bug_import: [1, 2],
    bug_import_other: [1, 2],
    bug_cache_then_database: ["a", "b"],
    bug_cache_then_parse: ["fig", "nut 5"],
    bug_command: [1, 2],
    bug_object: [1, 20],
    bug_login: [1, 2],
    bug_cart_save: ["a", 5],
    bug_invoice_save: ["a", 5],
    bug_retry: ["db1.example.com", "10.1.2.3:5432"],
}
