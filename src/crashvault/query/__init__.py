"""The query language: text to tree, normalization of searchable text, matching one event in memory."""
