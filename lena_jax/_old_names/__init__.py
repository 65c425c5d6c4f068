"""Import paths of before version 0.2, found through `lena_jax.__path__`: each warns and hands on the new names.

They go in version 0.3. Nothing of the library imports them.
"""
