"""What runs models: ONNX Runtime, which the base install has; OpenVINO; and torch, where there is a CUDA device."""
