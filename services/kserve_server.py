"""`python kserve_server.py PORT MODEL.onnx...`, run by KServe's own Python: knows nothing of ImageFlow."""

import sys
from pathlib import Path
from typing import Any

import kserve
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse

_TYPES = {
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(uint8)": "UINT8",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
}


class OnnxModel(kserve.Model):  # type: ignore[misc]
    """One file, by ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem)
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return name, data type and shape of each input; -1 is an axis of any length."""
        return [_describe(tensor) for tensor in self._session.get_inputs()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return name, data type and shape of each output; -1 is an axis of any length."""
        return [_describe(tensor) for tensor in self._session.get_outputs()]

    def predict(self, payload: InferRequest, *_: Any, **__: Any) -> InferResponse:
        """Compute all outputs; KServe sends those that the request asks for, as bytes or as JSON."""
        described = self._session.get_outputs()
        inputs = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        answers = self._session.run([tensor.name for tensor in described], inputs)
        outputs = []
        for tensor, values in zip(described, answers, strict=True):
            output = InferOutput(tensor.name, list(values.shape), _TYPES[tensor.type])
            output.set_data_from_numpy(values)
            outputs.append(output)
        return InferResponse(
            response_id=payload.id or "",
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def _describe(tensor: Any) -> dict[str, Any]:
    shape = [side if isinstance(side, int) else -1 for side in tensor.shape]
    return {"name": tensor.name, "datatype": _TYPES[tensor.type], "shape": shape}


if __name__ == "__main__":
    server = kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1)
    server.start([OnnxModel(Path(path)) for path in sys.argv[2:]])
