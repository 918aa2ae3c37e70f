"""What the exporters call the inputs and outputs of a network; files of every format keep that."""

LENGTHS = "input_lengths"
"""The input of the numbers of valid frames."""

SAMPLES = "input_samples"
"""The input of the samples."""

FEATURES = "mfccs"
"""The output that holds the features of a window of samples."""

PROBABILITIES = "logits"
"""The output that holds the probabilities, in spite of its name."""

STATE_C = ("previous_state_c", "new_state_c")
"""The input and the output of the state of the cells."""

STATE_H = ("previous_state_h", "new_state_h")
"""The input and the output of the hidden state."""
