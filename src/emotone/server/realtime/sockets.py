"""The WebSocket itself, which goes on where a client sends text that is none."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class LenientProtocol(WebSocketsSansIOProtocol):
    """Takes text that is no UTF-8 for text with unknown characters.

    Else uvicorn ends the connection, and logs where it was in its own code each time. So such a
    text is as bad as any other that is no message: a session says so, and goes on.
    """

    def send_receive_event_to_app(self) -> None:
        """A message is complete."""
        if self.curr_msg_data_type == "text":
            text = b"".join(self.frames).decode(errors="replace")
            self.frames = [text.encode()]
        super().send_receive_event_to_app()
