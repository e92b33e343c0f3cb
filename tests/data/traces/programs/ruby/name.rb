def greet
  nmae = "x"
  puts nam
end

greet
