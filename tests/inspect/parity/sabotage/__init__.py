"""Converted files with one thing spoiled in their bytes, and what the judge says of each."""
