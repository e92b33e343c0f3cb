#include <string>
#include <vector>

namespace shop {
struct Cart {
    std::vector<int> items;
    int pick(int n) { return items.data()[n]; }
};
}

int main() {
    shop::Cart cart{{1, 2, 3}};
    return cart.pick(3);
}
