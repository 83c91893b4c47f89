"""The user's words: one command per file, one place that prints, one that exits."""
