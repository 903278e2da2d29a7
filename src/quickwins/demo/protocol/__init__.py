"""The gateway's and the backends' common language: `feed.proto` and what `make generate` makes of it."""
