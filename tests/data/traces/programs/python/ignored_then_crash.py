class Leaky:
    def __del__(self):
        raise RuntimeError("cannot close")


kept = Leaky()


def main():
    raise LookupError("the real crash")


main()
