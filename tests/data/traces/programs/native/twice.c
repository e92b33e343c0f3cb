#include <stdlib.h>

int main(void) {
    char *p = malloc(40);
    free(p);
    free(p);
    return 0;
}
