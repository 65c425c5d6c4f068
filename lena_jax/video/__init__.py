"""Clips: frames of a video file, their scores and the score of all. Needs PyAV, `pip install 'lena-jax[video]'`."""

# Where nothing else is asked for: frames a second, the most of them, and the most of the best moments.
RATE, MOST_FRAMES, MOST_MOMENTS = 2.0, 240, 8
