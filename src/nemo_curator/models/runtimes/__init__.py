"""What runs models: ONNX Runtime, which the base install has, and OpenVINO, where it is installed."""
