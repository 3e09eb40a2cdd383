"""What users never run: how shipped data was made, and studies behind the documentation."""
