"""Programs as users write them: they know no venue, only its name."""
