#include <limits.h>

int grow(int n) {
    return n + 1;
}

int main(int argc, char **argv) {
    (void)argv;
    return grow(INT_MAX - 1 + argc) == 0;
}
