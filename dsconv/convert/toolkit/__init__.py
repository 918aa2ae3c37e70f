"""The toolkit route: graphs that dsconv does not recognise, by the toolkits' own converters.

dsconv cuts, freezes and resizes the graph; the toolkit converts it in a process of its own; and the
file is compared with what TensorFlow computes from the same random inputs.
"""
