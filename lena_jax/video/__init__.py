"""Clips: frames of a video file, their scores and the score of all. Needs PyAV, `pip install 'lena-jax[video]'`."""
