"""The acoustic model: the network that is in the graphs."""
