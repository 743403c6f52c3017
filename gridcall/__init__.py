"""The front door: the command line, and what joins the services in one process."""
