"""OpenVINO IR, for Intel's CPUs, GPUs and NPUs."""
