"""What result files hold, and what is computed of them."""
