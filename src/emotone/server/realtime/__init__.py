"""Live speech over a WebSocket.

`protocol` has the messages and `session` the rules, neither of which knows a web framework;
`batching` hears all streams together on threads of its own, and `endpoint` joins the three to the
application. The protocol for clients is in ``docs/realtime.md``.
"""
