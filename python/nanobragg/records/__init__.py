"""What is said, and what follows from it: frozen records without behaviour of their own, one file a subject."""
