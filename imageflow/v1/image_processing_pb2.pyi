import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOW: _ClassVar[Priority]
    NORMAL: _ClassVar[Priority]
    HIGH: _ClassVar[Priority]

class ExecutionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_STATE_UNSPECIFIED: _ClassVar[ExecutionState]
    EXECUTION_STATE_QUEUED: _ClassVar[ExecutionState]
    EXECUTION_STATE_RUNNING: _ClassVar[ExecutionState]
    EXECUTION_STATE_COMPLETED: _ClassVar[ExecutionState]
    EXECUTION_STATE_FAILED: _ClassVar[ExecutionState]
    EXECUTION_STATE_CANCELLED: _ClassVar[ExecutionState]
LOW: Priority
NORMAL: Priority
HIGH: Priority
EXECUTION_STATE_UNSPECIFIED: ExecutionState
EXECUTION_STATE_QUEUED: ExecutionState
EXECUTION_STATE_RUNNING: ExecutionState
EXECUTION_STATE_COMPLETED: ExecutionState
EXECUTION_STATE_FAILED: ExecutionState
EXECUTION_STATE_CANCELLED: ExecutionState

class ImageChunk(_message.Message):
    __slots__ = ("correlation_id", "image_data", "chunk_index", "total_chunks", "is_final_chunk", "metadata")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DATA_FIELD_NUMBER: _ClassVar[int]
    CHUNK_INDEX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_CHUNK_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    image_data: bytes
    chunk_index: int
    total_chunks: int
    is_final_chunk: bool
    metadata: ImageMetadata
    def __init__(self, correlation_id: _Optional[str] = ..., image_data: _Optional[bytes] = ..., chunk_index: _Optional[int] = ..., total_chunks: _Optional[int] = ..., is_final_chunk: _Optional[bool] = ..., metadata: _Optional[_Union[ImageMetadata, _Mapping]] = ...) -> None: ...

class ImageMetadata(_message.Message):
    __slots__ = ("format", "width", "height", "client_id", "pipeline_config")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    format: str
    width: int
    height: int
    client_id: str
    pipeline_config: PipelineConfig
    def __init__(self, format: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., client_id: _Optional[str] = ..., pipeline_config: _Optional[_Union[PipelineConfig, _Mapping]] = ...) -> None: ...

class PipelineConfig(_message.Message):
    __slots__ = ("pipeline_id", "parameters", "priority")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PIPELINE_ID_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    pipeline_id: str
    parameters: _containers.ScalarMap[str, str]
    priority: Priority
    def __init__(self, pipeline_id: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., priority: _Optional[_Union[Priority, str]] = ...) -> None: ...

class ImageRequest(_message.Message):
    __slots__ = ("correlation_id", "image_data", "metadata", "images", "spec_json", "wait_s")
    class ImagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DATA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    image_data: bytes
    metadata: ImageMetadata
    images: _containers.ScalarMap[str, bytes]
    spec_json: str
    wait_s: float
    def __init__(self, correlation_id: _Optional[str] = ..., image_data: _Optional[bytes] = ..., metadata: _Optional[_Union[ImageMetadata, _Mapping]] = ..., images: _Optional[_Mapping[str, bytes]] = ..., spec_json: _Optional[str] = ..., wait_s: _Optional[float] = ...) -> None: ...

class ProcessingResult(_message.Message):
    __slots__ = ("correlation_id", "execution_id", "state", "outputs", "error", "estimated_completion_time", "seconds", "pipeline", "attempt", "absent_outputs", "frames")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COMPLETION_TIME_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ABSENT_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    execution_id: str
    state: ExecutionState
    outputs: _containers.RepeatedCompositeFieldContainer[OutputFile]
    error: ErrorDetails
    estimated_completion_time: _timestamp_pb2.Timestamp
    seconds: float
    pipeline: str
    attempt: int
    absent_outputs: _containers.RepeatedScalarFieldContainer[str]
    frames: FrameCounts
    def __init__(self, correlation_id: _Optional[str] = ..., execution_id: _Optional[str] = ..., state: _Optional[_Union[ExecutionState, str]] = ..., outputs: _Optional[_Iterable[_Union[OutputFile, _Mapping]]] = ..., error: _Optional[_Union[ErrorDetails, _Mapping]] = ..., estimated_completion_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., seconds: _Optional[float] = ..., pipeline: _Optional[str] = ..., attempt: _Optional[int] = ..., absent_outputs: _Optional[_Iterable[str]] = ..., frames: _Optional[_Union[FrameCounts, _Mapping]] = ...) -> None: ...

class FrameCounts(_message.Message):
    __slots__ = ("processed", "dropped", "failed")
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    processed: int
    dropped: int
    failed: int
    def __init__(self, processed: _Optional[int] = ..., dropped: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class ProcessingResponse(_message.Message):
    __slots__ = ("result", "steps")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    result: ProcessingResult
    steps: _containers.RepeatedCompositeFieldContainer[StepResult]
    def __init__(self, result: _Optional[_Union[ProcessingResult, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[StepResult, _Mapping]]] = ...) -> None: ...

class OutputFile(_message.Message):
    __slots__ = ("name", "sha256", "size", "media_type", "kind", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    size: int
    media_type: str
    kind: str
    data: bytes
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ..., size: _Optional[int] = ..., media_type: _Optional[str] = ..., kind: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class StepResult(_message.Message):
    __slots__ = ("step", "status", "seconds", "tries", "error", "resources")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    step: str
    status: str
    seconds: float
    tries: int
    error: str
    resources: ResourceUse
    def __init__(self, step: _Optional[str] = ..., status: _Optional[str] = ..., seconds: _Optional[float] = ..., tries: _Optional[int] = ..., error: _Optional[str] = ..., resources: _Optional[_Union[ResourceUse, _Mapping]] = ...) -> None: ...

class ResourceUse(_message.Message):
    __slots__ = ("cpu_s", "peak_memory_bytes", "gpu_memory_bytes")
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    cpu_s: float
    peak_memory_bytes: int
    gpu_memory_bytes: int
    def __init__(self, cpu_s: _Optional[float] = ..., peak_memory_bytes: _Optional[int] = ..., gpu_memory_bytes: _Optional[int] = ...) -> None: ...

class ExecutionRequest(_message.Message):
    __slots__ = ("execution_id",)
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    def __init__(self, execution_id: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("execution_id", "after")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    after: str
    def __init__(self, execution_id: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class ExecutionEvent(_message.Message):
    __slots__ = ("cursor", "at", "snapshot", "state", "step")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    at: _timestamp_pb2.Timestamp
    snapshot: ProcessingResponse
    state: StateChange
    step: StepChange
    def __init__(self, cursor: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., snapshot: _Optional[_Union[ProcessingResponse, _Mapping]] = ..., state: _Optional[_Union[StateChange, _Mapping]] = ..., step: _Optional[_Union[StepChange, _Mapping]] = ...) -> None: ...

class StateChange(_message.Message):
    __slots__ = ("state", "attempt", "error", "reason")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    state: ExecutionState
    attempt: int
    error: ErrorDetails
    reason: str
    def __init__(self, state: _Optional[_Union[ExecutionState, str]] = ..., attempt: _Optional[int] = ..., error: _Optional[_Union[ErrorDetails, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class StepChange(_message.Message):
    __slots__ = ("step", "attempt")
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    step: StepResult
    attempt: int
    def __init__(self, step: _Optional[_Union[StepResult, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class LogRequest(_message.Message):
    __slots__ = ("execution_id", "after", "follow")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    after: str
    follow: bool
    def __init__(self, execution_id: _Optional[str] = ..., after: _Optional[str] = ..., follow: _Optional[bool] = ...) -> None: ...

class LogLines(_message.Message):
    __slots__ = ("lines", "is_end")
    LINES_FIELD_NUMBER: _ClassVar[int]
    IS_END_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[LogLine]
    is_end: bool
    def __init__(self, lines: _Optional[_Iterable[_Union[LogLine, _Mapping]]] = ..., is_end: _Optional[bool] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("cursor", "step", "at", "level", "text")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    step: str
    at: _timestamp_pb2.Timestamp
    level: str
    text: str
    def __init__(self, cursor: _Optional[str] = ..., step: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., level: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class OutputRequest(_message.Message):
    __slots__ = ("execution_id", "name")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    name: str
    def __init__(self, execution_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class OutputChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ErrorDetails(_message.Message):
    __slots__ = ("code", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...
