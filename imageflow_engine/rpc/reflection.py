"""Server reflection: tools such as grpcurl learn the services, and their messages, from the server itself."""

from collections.abc import Iterable

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from imageflow_engine.rpc import reflection_pb2 as pb
from imageflow_engine.rpc.call import Call, Method

NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Older tools know the second name alone; both have the same messages."""

_IDLE_S = 60.0


def reflection(services: Iterable[str]) -> Method:
    """Return the one method of server reflection, over the names of all services."""
    names = sorted({*services, *NAMES})

    async def answer(call: Call) -> None:
        while (request := await call.receive(pb.ServerReflectionRequest, within_s=_IDLE_S)) is not None:
            await call.send(_response(request, names))

    return Method(name="ServerReflectionInfo", answer=answer, is_write=False)


def _response(request: pb.ServerReflectionRequest, names: Iterable[str]) -> pb.ServerReflectionResponse:
    response = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
    pool = descriptor_pool.Default()
    try:
        match request.WhichOneof("message_request"):
            case "list_services":
                listed = [pb.ServiceResponse(name=name) for name in names]
                response.list_services_response.CopyFrom(pb.ListServiceResponse(service=listed))
            case "file_by_filename":
                response.file_descriptor_response.CopyFrom(_files(pool.FindFileByName(request.file_by_filename)))
            case "file_containing_symbol":
                response.file_descriptor_response.CopyFrom(_files(_file_of(request.file_containing_symbol)))
            case _:  # no message of ours has extensions
                _say(response, grpc.StatusCode.UNIMPLEMENTED, "This server has no extensions.")
    except KeyError:
        _say(response, grpc.StatusCode.NOT_FOUND, "There is no such file or symbol: list the services.")
    return response


def _file_of(symbol: str) -> FileDescriptor:
    """Return the file of a symbol; raise `KeyError`. The pool itself finds no methods."""
    pool = descriptor_pool.Default()
    try:
        return pool.FindFileContainingSymbol(symbol)
    except KeyError:
        service, _, method = symbol.rpartition(".")
        return pool.FindServiceByName(service).methods_by_name[method].containing_service.file


def _say(response: pb.ServerReflectionResponse, code: grpc.StatusCode, message: str) -> None:
    response.error_response.CopyFrom(pb.ErrorResponse(error_code=code.value[0], error_message=message))


def _files(file: FileDescriptor) -> pb.FileDescriptorResponse:
    """Return a file and all that it imports."""
    found: dict[str, FileDescriptor] = {}
    left = [file]
    while left:
        one = left.pop()
        if one.name not in found:
            found[one.name] = one
            left.extend(one.dependencies)
    return pb.FileDescriptorResponse(file_descriptor_proto=[_serialised(each) for each in found.values()])


def _serialised(file: FileDescriptor) -> bytes:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    return proto.SerializeToString()
