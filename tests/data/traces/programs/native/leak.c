#include <stdlib.h>

void *make(void) {
    return malloc(64);
}

int main(void) {
    volatile void *p = make();
    p = 0;
    return 0;
}
