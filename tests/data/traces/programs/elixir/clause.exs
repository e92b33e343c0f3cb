defmodule Shop do
  def half(n) when rem(n, 2) == 0, do: div(n, 2)
end

1 + Shop.half(3)
