"""One record as one line of JSON: from what a call says to bytes."""
