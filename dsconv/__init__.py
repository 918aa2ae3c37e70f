"""dsconv: deploy DeepSpeech and Coqui STT acoustic models today."""

__version__ = "0.1.0"
