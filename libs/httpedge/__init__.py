"""What every HTTP service shares at its edge: request budgets, strict JSON, problems, the server."""
