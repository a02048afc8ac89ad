"""The shipped models as they are sent to the API, in tests."""

from pathlib import Path

from imageflow_models.registering import shipped

DETECTOR = next(folder for folder in shipped() if "defects" in folder.name)


def bundle(folder: Path) -> list[tuple[str, tuple[str, bytes, str]]]:
    kind = "application/octet-stream"
    golden = sorted((folder / "golden").glob("*.png"))
    return [
        ("card", ("model.json", (folder / "model.json").read_bytes(), kind)),
        ("model", ("model.onnx", (folder / "model.onnx").read_bytes(), kind)),
        ("answers", ("answers.npz", (folder / "golden" / "answers.npz").read_bytes(), kind)),
        *(("golden", (path.name, path.read_bytes(), "image/png")) for path in golden),
    ]
