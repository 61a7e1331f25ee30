"""What ``__init__.py`` imports at first use, for type checkers and editors."""

from nanobragg.torch.images import simulate as simulate
from nanobragg.torch.shots import ShotDataset as ShotDataset
