"""Many recordings at once: found, heard on all cores, written as Parquet, and never lost.

`sources` says which recordings there are, `plan` keeps them in blocks beside the results, a task
(`tasks`: hearing in `work`, features in `vectors`) says what its rows are, `reading` makes rows of
one block, and `parquet` writes them as one part. `worker` is the process that does so, `hearing`
asks one, `pool` many, and `run` begins; `emotone.cluster.batch` asks them on other machines.
`summary` reads the parts. A block is worked on as a whole wherever that is done, so one machine and
a cluster give the same rows. A part appears whole or not at all, so what was killed goes on with
the blocks that have no part.

It needs the extra ``batch``; nothing here imports it before it is used.
"""
