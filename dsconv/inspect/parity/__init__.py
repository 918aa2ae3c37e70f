"""Does a model still give what the model it came from gives? Structure, numbers, transcripts."""
