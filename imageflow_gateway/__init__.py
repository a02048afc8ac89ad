"""The HTTP edge: REST, server-sent events, a WebSocket, tiles and pages. Rules of the work live in the use cases."""
