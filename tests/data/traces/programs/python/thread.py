import threading


def work(n):
    return 1 / n


def main():
    thread = threading.Thread(target=work, args=(0,), name="worker-7")
    thread.start()
    thread.join()
    print("main goes on")


main()
