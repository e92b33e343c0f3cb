"""Alert rules: the condition language, counters, and when an alert begins and ends. Pure: time is an argument."""
