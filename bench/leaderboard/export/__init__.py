"""Results in the forms of others."""
