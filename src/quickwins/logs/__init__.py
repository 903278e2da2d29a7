"""Structured logging: one JSON line for each fact, nothing private in it, and never in a request's way.

    configure_logging(service="feed")
    log = get_logger()
    with bound(tenant="t1"):
        log.info("cache.access", hit=True)

To turn it off: `enabled = false` in `[logs]`; what the application logged with before is back at once.
"""
