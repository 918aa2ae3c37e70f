"""OpenVINO IR: reading without OpenVINO."""
