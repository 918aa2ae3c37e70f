"""The OpenVINO target."""

from dsconv.convert.openvino.target import OpenVinoTarget

__all__ = ["OpenVinoTarget"]
