from imageflow.v1 import image_processing_pb2 as _image_processing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VideoConfig(_message.Message):
    __slots__ = ("metadata", "spec_json", "correlation_id")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    metadata: _image_processing_pb2.ImageMetadata
    spec_json: str
    correlation_id: str
    def __init__(self, metadata: _Optional[_Union[_image_processing_pb2.ImageMetadata, _Mapping]] = ..., spec_json: _Optional[str] = ..., correlation_id: _Optional[str] = ...) -> None: ...

class VideoFrame(_message.Message):
    __slots__ = ("config", "frame", "image_data", "is_last")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DATA_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    config: VideoConfig
    frame: int
    image_data: bytes
    is_last: bool
    def __init__(self, config: _Optional[_Union[VideoConfig, _Mapping]] = ..., frame: _Optional[int] = ..., image_data: _Optional[bytes] = ..., is_last: _Optional[bool] = ...) -> None: ...

class ProcessedFrame(_message.Message):
    __slots__ = ("execution_id", "frame", "outputs", "absent_outputs", "seconds", "dropped", "dropped_frames", "error")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ABSENT_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    frame: int
    outputs: _containers.RepeatedCompositeFieldContainer[_image_processing_pb2.OutputFile]
    absent_outputs: _containers.RepeatedScalarFieldContainer[str]
    seconds: float
    dropped: int
    dropped_frames: _containers.RepeatedScalarFieldContainer[int]
    error: _image_processing_pb2.ErrorDetails
    def __init__(self, execution_id: _Optional[str] = ..., frame: _Optional[int] = ..., outputs: _Optional[_Iterable[_Union[_image_processing_pb2.OutputFile, _Mapping]]] = ..., absent_outputs: _Optional[_Iterable[str]] = ..., seconds: _Optional[float] = ..., dropped: _Optional[int] = ..., dropped_frames: _Optional[_Iterable[int]] = ..., error: _Optional[_Union[_image_processing_pb2.ErrorDetails, _Mapping]] = ...) -> None: ...
