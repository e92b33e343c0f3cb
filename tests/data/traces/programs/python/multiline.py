def total(a, b, c, d, e):
    return (
        a
        + b
        + c
        / d
        + e
    )


def main():
    return total(
        1,
        2,
        3,
        0,
        5,
    )


main()
