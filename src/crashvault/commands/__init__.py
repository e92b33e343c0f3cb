"""One file per command, `<verb>_cmd.py`: options, one call, then what people see."""
