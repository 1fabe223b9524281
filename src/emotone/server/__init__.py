"""The service: an HTTP API over the same calls that a Python user makes, and its page.

>>> from emotone.server.app import create_app                          # doctest: +SKIP
>>> from emotone.server.settings import ServerSettings                 # doctest: +SKIP
>>> app = create_app(ServerSettings())                                 # doctest: +SKIP

It needs the extra ``server``. `emotone serve` runs it.
"""
