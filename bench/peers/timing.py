"""How the peers take time."""
import resource
import statistics
import time


def summary(model, run, warmup, runs, max_seconds):
    """Statistics of `run()`, which gives its milliseconds. Ends after `runs` or, from the fifth on, `max_seconds`."""
    for _ in range(warmup):
        run()
    end = time.perf_counter() + max_seconds
    milliseconds = []
    while len(milliseconds) < runs and (len(milliseconds) < 5 or time.perf_counter() < end):
        milliseconds.append(run())
    return {
        "ms": statistics.median(milliseconds),
        "minMs": min(milliseconds),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
