"""BlockLSTM in ops that every toolkit knows.

Source: ``tensorflow/core/kernels/rnn/lstm_ops.cc``.
"""
