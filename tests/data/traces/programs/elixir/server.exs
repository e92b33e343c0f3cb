defmodule Shop.Server do
  use GenServer
  def init(state), do: {:ok, state}
  def handle_call(:pay, _from, state), do: {:reply, div(state, 0), state}
end

Process.flag(:trap_exit, true)
{:ok, pid} = GenServer.start_link(Shop.Server, 5)

try do
  GenServer.call(pid, :pay)
catch
  :exit, _ -> Process.sleep(200)
end
