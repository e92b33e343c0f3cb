class Cart
  def initialize(prices)
    @prices = prices
  end

  def total
    @prices.map { |price| Integer(price) }.sum
  end
end

Thread.new { Cart.new(["12", "dozen"]).total }.join
