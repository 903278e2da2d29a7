"""What decides. Facts and the time go in; what comes out is who is admitted, and whose wait is over."""
