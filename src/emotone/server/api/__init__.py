"""The routes, each a thin layer over the store, the jobs and the workers."""
