price <- function(item) stop("no price for ", item)
total <- function(items) price(items[1]) + 1
total("pear")
