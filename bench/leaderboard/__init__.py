"""The leaderboard: a pure, deterministic function of result files."""
