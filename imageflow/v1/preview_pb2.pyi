from imageflow.v1 import image_processing_pb2 as _image_processing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class KeptSample(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class PreviewRequest(_message.Message):
    __slots__ = ("session", "spec_json", "step", "samples", "longest_side_px")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    LONGEST_SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    session: str
    spec_json: str
    step: str
    samples: _containers.RepeatedCompositeFieldContainer[PreviewSample]
    longest_side_px: int
    def __init__(self, session: _Optional[str] = ..., spec_json: _Optional[str] = ..., step: _Optional[str] = ..., samples: _Optional[_Iterable[_Union[PreviewSample, _Mapping]]] = ..., longest_side_px: _Optional[int] = ...) -> None: ...

class PreviewSample(_message.Message):
    __slots__ = ("images",)
    class ImagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.ScalarMap[str, str]
    def __init__(self, images: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PreviewPart(_message.Message):
    __slots__ = ("results", "data")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    results: SampleResults
    data: bytes
    def __init__(self, results: _Optional[_Union[SampleResults, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class SampleResults(_message.Message):
    __slots__ = ("samples",)
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[SampleResult]
    def __init__(self, samples: _Optional[_Iterable[_Union[SampleResult, _Mapping]]] = ...) -> None: ...

class SampleResult(_message.Message):
    __slots__ = ("outputs", "absent_outputs", "steps", "seconds", "error")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ABSENT_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[PreviewOutput]
    absent_outputs: _containers.RepeatedScalarFieldContainer[str]
    steps: _containers.RepeatedCompositeFieldContainer[_image_processing_pb2.StepResult]
    seconds: float
    error: _image_processing_pb2.ErrorDetails
    def __init__(self, outputs: _Optional[_Iterable[_Union[PreviewOutput, _Mapping]]] = ..., absent_outputs: _Optional[_Iterable[str]] = ..., steps: _Optional[_Iterable[_Union[_image_processing_pb2.StepResult, _Mapping]]] = ..., seconds: _Optional[float] = ..., error: _Optional[_Union[_image_processing_pb2.ErrorDetails, _Mapping]] = ...) -> None: ...

class PreviewOutput(_message.Message):
    __slots__ = ("name", "kind", "media_type", "size", "sha256", "width_px", "height_px")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    media_type: str
    size: int
    sha256: str
    width_px: int
    height_px: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., media_type: _Optional[str] = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ...) -> None: ...
