"""The edge of HTTP: requests within their budgets, strict JSON, problem documents, the server."""
