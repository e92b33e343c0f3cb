#include <stdlib.h>
#include <string.h>

static int read_back(int *p) {
    return *p;
}

int main(void) {
    int *p = malloc(sizeof *p);
    memset(p, 0, sizeof *p);
    free(p);
    return read_back(p);
}
