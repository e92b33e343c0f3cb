#include <stdexcept>
#include <vector>

namespace shop {
template <typename T> T price(const std::vector<T> &all, int n) {
    if (n > 2) throw std::runtime_error("no price: item 3");
    return all[n];
}
}

int main() {
    return shop::price<int>({1, 2}, 3);
}
