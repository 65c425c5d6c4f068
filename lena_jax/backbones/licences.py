"""The licences of weights that timm hosts, by the tag in their name."""

import re

# Pattern of the tag in "NAME.TAG" -> licence, from timm's own configurations (1.0.31), the first match.
_TAGS = (
    (r"eupe_.*", "fair-noncommercial-research-license"),
    (r"(dinov3_)?(lvd1689m|sat493m)", "dinov3-license"),
    (r"metaclip.*|mae|fcmae.*", "cc-by-nc-4.0"),
    (r"dfn.*", "apple-ascl"),
    (r"apple.*", "apple-amlr"),
    # The repository that OpenAI published them in; timm's configuration says apache-2.0.
    (r"openai", "mit"),
    (r"tinyclip.*", "mit"),
)


def licence_of(model: str) -> str:
    """Return the licence of the weights that timm hosts as "NAME.TAG".

    Example:
        >>> from lena_jax.backbones.licences import licence_of
        >>> licence_of("vit_base_patch16_dinov3.lvd1689m")
        'dinov3-license'
        >>> licence_of("convnext_tiny.in12k")
        'apache-2.0'
    """
    tag = model.partition(".")[2]
    return next((licence for pattern, licence in _TAGS if re.fullmatch(pattern, tag)), "apache-2.0")
