"""Where a controller looks: this process's registry, the /metrics of several processes, or a Prometheus."""
