"""`lena_jax.video.reading` is `lena_jax.data.video` now."""
