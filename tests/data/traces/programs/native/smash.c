#include <string.h>
#include <stdio.h>

void copy(const char *text) {
    volatile char small[8];
    for (size_t i = 0; i <= strlen(text); i++) small[i] = text[i];
    puts((const char *)small);
}

int main(void) {
    copy("this text is far too long for it");
    return 0;
}
