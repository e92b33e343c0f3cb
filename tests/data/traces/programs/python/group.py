def first():
    raise ValueError("first failed")


def second():
    try:
        {}["x"]
    except KeyError as error:
        raise TypeError("second failed") from error


def collect(*jobs):
    errors = []
    for job in jobs:
        try:
            job()
        except Exception as error:
            errors.append(error)
    return ExceptionGroup("jobs", errors)


def nested():
    raise collect(first, second)


def main():
    group = collect(nested, first)
    try:
        first()
    except ValueError as error:
        raise group from error


main()
