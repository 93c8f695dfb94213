"""Weights behind arrays: models that take pixels or embeddings as NumPy arrays and give float32 arrays.

One model is one file here; `registry` is the only door that stages need. Nothing in this room imports torch,
and importing the room loads neither ONNX nor ONNX Runtime.
"""
