"""The generated modules are current, and the .proto files keep the fields of the documents."""

import os
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor

from imageflow.v1 import image_processing_pb2 as pb
from services.protoc import ENVIRONMENT, PROTOS, ROOT, compile_protos

_F = FieldDescriptor

DOCUMENTED = {
    "ImageChunk": {
        "correlation_id": (1, _F.TYPE_STRING),
        "image_data": (2, _F.TYPE_BYTES),
        "chunk_index": (3, _F.TYPE_INT32),
        "total_chunks": (4, _F.TYPE_INT32),
        "is_final_chunk": (5, _F.TYPE_BOOL),
        "metadata": (6, _F.TYPE_MESSAGE),
    },
    "ImageMetadata": {
        "format": (1, _F.TYPE_STRING),
        "width": (2, _F.TYPE_INT32),
        "height": (3, _F.TYPE_INT32),
        "client_id": (4, _F.TYPE_STRING),
        "pipeline_config": (5, _F.TYPE_MESSAGE),
    },
    "PipelineConfig": {
        "pipeline_id": (1, _F.TYPE_STRING),
        "parameters": (2, _F.TYPE_MESSAGE),
        "priority": (3, _F.TYPE_ENUM),
    },
    "ErrorDetails": {
        "code": (1, _F.TYPE_STRING),
        "message": (2, _F.TYPE_STRING),
        "metadata": (3, _F.TYPE_MESSAGE),
    },
}
"""Number and type of each field, as the documents define the message."""


def test_the_generated_modules_are_current(tmp_path: Path) -> None:
    if not ENVIRONMENT.is_kept():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "protoc is not installed: `make minio` does it"
        )
    compile_protos(tmp_path)
    for proto in PROTOS:
        for ending in ("_pb2.py", "_pb2.pyi"):
            module = proto.replace(".proto", ending)
            assert (ROOT / module).read_bytes() == (tmp_path / module).read_bytes(), f"{module}: run `make proto`"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_documents_messages_are_taken_field_by_field(name: str) -> None:
    message = pb.DESCRIPTOR.message_types_by_name[name]
    assert {field.name: (field.number, field.type) for field in message.fields} == DOCUMENTED[name]


def test_priorities_have_the_documents_numbers() -> None:
    assert dict(pb.Priority.items()) == {"LOW": 0, "NORMAL": 1, "HIGH": 2}


def test_every_method_and_every_message_but_requests_and_chunks_has_a_comment() -> None:
    lines = (ROOT / PROTOS[0]).read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("message ", "enum ")) or line.strip().startswith("rpc "):
            name = line.split()[1].split("(")[0]
            assert name.endswith(("Request", "Chunk")) or lines[number - 1].strip().startswith("//"), name
