"""The commands of the command line: options in, library calls, tables out."""
