"""Which crystal, and which detector, made an image: refinement against pixels."""
