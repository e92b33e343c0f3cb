def down(n):
    return down(n + 1)


def main():
    down(0)


main()
