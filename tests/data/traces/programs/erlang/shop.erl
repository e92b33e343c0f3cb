-module(shop).
-export([start/0, price/1, boot/0]).

price(Item) -> maps:get(Item, #{apple => 3}).

start() ->
    Pid = spawn(fun() -> 1 + price(pear) end),
    timer:sleep(200),
    Pid.

boot() -> 1 + price(pear).
