import logging


def inner():
    logging.warning("look here", stack_info=True)


inner()
