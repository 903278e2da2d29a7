"""What stubs ask a channel for: one object for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.channels._calls.method import Kind, Methods
from quickwins.channels._calls.multicallables import MULTICALLABLES
from quickwins.channels._native import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickwins.channels.config import MethodPolicy


class ForStubs(grpc.aio.Channel):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """The half of a `grpc.aio.Channel` that makes multicallables; the other half says where their calls go."""

    def __init__(self, policies: Mapping[str, MethodPolicy]) -> None:
        self._methods = Methods(policies)

    def _multicallable(self, kind: Kind, path: str, *rest: Any) -> Any:
        return MULTICALLABLES[kind](self, self._methods.get(kind, path, *rest))

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
        """As in gRPC. So are the other three."""
        return self._multicallable(
            Kind.UNARY_UNARY, method, request_serializer, response_deserializer, _registered_method
        )

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.UnaryStreamMultiCallable[Any, Any]:
        """As in gRPC."""
        return self._multicallable(
            Kind.UNARY_STREAM, method, request_serializer, response_deserializer, _registered_method
        )

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.StreamUnaryMultiCallable[Any, Any]:
        """As in gRPC."""
        return self._multicallable(
            Kind.STREAM_UNARY, method, request_serializer, response_deserializer, _registered_method
        )

    def stream_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.StreamStreamMultiCallable[Any, Any]:
        """As in gRPC."""
        return self._multicallable(
            Kind.STREAM_STREAM, method, request_serializer, response_deserializer, _registered_method
        )
