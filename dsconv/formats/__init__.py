"""What a file is, and its bytes: one folder for each format, read without its toolkit."""
