def main():
    error = ValueError("a value\nof two lines")
    error.add_note("note: first hint")
    error.add_note("note: second hint")
    raise error


main()
