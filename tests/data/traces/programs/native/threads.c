#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

void *waiting(void *unused) {
    sleep(100);
    return unused;
}

void give_up(int depth) {
    int left = depth - 1;
    if (left == 0) abort();
    give_up(left);
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, waiting, NULL);
    usleep(50000);
    give_up(3);
    return 0;
}
