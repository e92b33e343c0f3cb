#include <pthread.h>

int counter;

void *bump(void *unused) {
    counter++;
    return unused;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, bump, NULL);
    counter++;
    pthread_join(thread, NULL);
    return 0;
}
