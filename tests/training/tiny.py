"""Settings under which a published preset trains in seconds, on any machine."""

TINY_TRUNK = [
    'trunk.name="alexnet"',
    'trunk.cut="conv5"',
    'trunk.weights="random"',
    "trunk.width=0.0625",
    'recipe.channels="gray"',
    "recipe.size=[64, 64]",
]
