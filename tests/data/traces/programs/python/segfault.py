import faulthandler
import threading
import time

faulthandler.enable(all_threads=True)


def sleeper():
    time.sleep(20)


def crash():
    faulthandler._sigsegv()


def main():
    threading.Thread(target=sleeper, daemon=True).start()
    time.sleep(0.2)
    crash()


main()
