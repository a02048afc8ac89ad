"""Models: their files, their runtimes (ONNX Runtime here, Triton elsewhere), and their registry."""
