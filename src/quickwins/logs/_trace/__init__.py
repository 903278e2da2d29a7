"""Where a request stands in a distributed trace: its headers, its ids, its route. Pure."""
