"""Show where in a picture the score comes from: maps of the network, independent checks of them, boxes, drawings.

Import `lena_jax.localization.overlays`, which draws, separately: it needs matplotlib.
"""

from lena_jax.localization.boxes import box_overlaps, map_boxes, mask_boxes, picture_boxes
from lena_jax.localization.gradients import gradient_map
from lena_jax.localization.maps import contribution_map, pair_contributions, support_map, virality_map
from lena_jax.localization.occlusion import occlusion_map
from lena_jax.localization.resizing import average_to_grid, on_picture, to_grid, upsample

__all__ = [
    "average_to_grid",
    "box_overlaps",
    "contribution_map",
    "gradient_map",
    "map_boxes",
    "mask_boxes",
    "occlusion_map",
    "pair_contributions",
    "picture_boxes",
    "support_map",
    "to_grid",
    "on_picture",
    "upsample",
    "virality_map",
]
