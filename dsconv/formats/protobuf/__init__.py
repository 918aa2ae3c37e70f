"""Protocol buffers: the wire format, read in place and written without copies."""
