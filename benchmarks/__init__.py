"""Benchmarks of Crashvault, and the generator of realistic events they share with the tests."""
