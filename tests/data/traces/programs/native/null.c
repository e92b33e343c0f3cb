#include <stdio.h>

struct item { int price; };

int price(struct item *item) {
    int rate = 3;
    return item->price * rate;
}

int main(void) {
    struct item *none = NULL;
    printf("%d\n", price(none));
    return 0;
}
