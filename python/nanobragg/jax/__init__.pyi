"""What ``__init__.py`` imports at first use, for type checkers and editors."""

from nanobragg.jax.images import simulate as simulate
