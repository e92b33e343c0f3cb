#include <pthread.h>
#include <unistd.h>

int counter;

void *bump(void *unused) {
    counter++;
    return unused;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, bump, NULL);
    usleep(100000);
    counter++;
    pthread_join(thread, NULL);
    return 0;
}
