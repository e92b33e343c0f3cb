package shop

object Shop {
  def price(item: String): Int = Map("apple" -> 3)(item)

  def main(args: Array[String]): Unit = {
    try List("pear").map(price).sum
    catch { case e: NoSuchElementException => throw new RuntimeException("no total", e) }
  }
}
