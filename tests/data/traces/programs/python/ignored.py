class Leaky:
    def __del__(self):
        raise RuntimeError("cannot close")


def main():
    leaky = Leaky()
    del leaky


main()
