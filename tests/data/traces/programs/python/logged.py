import logging

logging.basicConfig(format="%(asctime)s [%(process)d] %(levelname)s %(name)s: %(message)s", level="INFO")
log = logging.getLogger("shop.cart")


def price(item):
    return {"apple": 3}[item]


def main():
    log.info("started")
    try:
        price("pear")
    except KeyError:
        log.exception("no price")
    log.info("goes on")


main()
