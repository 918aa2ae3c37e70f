"""Speech in and text out."""
