"""Does a model still say the same as the one that it came from? Structure, numbers, transcripts."""
