"""The feed service: its tables, a backend, the gateway, and how their processes are started."""
