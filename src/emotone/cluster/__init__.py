"""The same work on more than one machine, by Ray.

`connection` joins a cluster or starts one on this machine; what is done there is beside it. Nothing
here imports Ray, which the extra ``cluster`` brings, before it is used.
"""
