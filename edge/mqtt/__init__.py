"""A broker as the sink, the command line and the demo reach it: options, TLS, one connected client."""
