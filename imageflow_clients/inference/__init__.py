"""Models: their files, who computes them (ONNX Runtime here, Triton elsewhere), and where they are registered."""
