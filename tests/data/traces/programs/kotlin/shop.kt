package shop

class Cart(private val items: List<String>) {
    fun total(): Int = items.map { price(it) }.sum()

    private fun price(item: String): Int = mapOf("apple" to 3).getValue(item)
}

fun main() {
    Cart(listOf("pear")).total()
}
