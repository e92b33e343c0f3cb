import json


class ConfigError(Exception):
    pass


def parse(text):
    return json.loads(text)


def load(text):
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError("settings are broken") from error


def main():
    try:
        load("{nope}")
    except ConfigError:
        {}["missing"]


main()
