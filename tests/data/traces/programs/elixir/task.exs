Task.async(fn -> raise ArgumentError, "in a task" end) |> Task.await()
