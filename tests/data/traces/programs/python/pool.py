from multiprocessing import get_context


def work(n):
    return 10 // n


def main():
    with get_context("fork").Pool(1) as pool:
        pool.map(work, [0])


if __name__ == "__main__":
    main()
