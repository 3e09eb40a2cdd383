"""The networks and flow methods; each sees every frame of a clip once."""
