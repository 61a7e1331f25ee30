"""Images with what they were made from, and the truth about their reflections."""
