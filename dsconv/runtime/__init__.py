"""Run a model of any format over speech, chunk by chunk, its states carried."""
