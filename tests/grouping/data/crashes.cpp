// Crashes of a small shop in C++ for AddressSanitizer: `./crashes BUG VALUE`; each bug is one defect.
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#define KEEP __attribute__((noinline))

namespace shop {
namespace { KEEP int peek(int *p) { return *p; } }

template <typename T> struct Shelf {
  std::vector<T> items;
  KEEP T at(size_t i) const { return items.data()[i]; }
};

KEEP int use_after_free(int v) { int *p = new int[4 + v]; delete[] p; return peek(p); }
KEEP int use_after_free_elsewhere(int v) { int *p = new int[4 + v]; delete[] p; return peek(p + 1); }
KEEP void overflow(int v) { char *b = (char *)malloc(8); memset(b, v, 8 + v); free(b); }
KEEP int overread_int(int v) { Shelf<int> s; s.items.resize(2); return s.at(2 + v); }
KEEP int overread_long(int v) { Shelf<long> s; s.items.resize(2); return (int)s.at(2 + v); }
KEEP void double_free(int v) { void *p = malloc(v + 1); free(p); free(p); }
KEEP int null_read(int v) { int *p = (int *)(long)(v % 8); return peek(p); }
KEEP void aborts(int) { abort(); }
KEEP void unhandled(int v) { throw std::runtime_error("order " + std::to_string(v) + " failed"); }
}  // namespace shop

KEEP static int run(const std::string &bug, int v) {
  if (bug == "use_after_free") return shop::use_after_free(v);
  if (bug == "use_after_free_elsewhere") return shop::use_after_free_elsewhere(v);
  if (bug == "overflow") shop::overflow(v);
  if (bug == "overread_int") return shop::overread_int(v);
  if (bug == "overread_long") return shop::overread_long(v);
  if (bug == "double_free") shop::double_free(v);
  if (bug == "null_read") return shop::null_read(v);
  if (bug == "aborts") shop::aborts(v);
  if (bug == "unhandled") shop::unhandled(v);
  return 0;
}

int main(int, char **argv) { return run(argv[1], atoi(argv[2])) == 77; }
