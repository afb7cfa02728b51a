"""Writes wandb.json: the file of an offline run as wandb's own DataStore and protocol buffers write it, in base64.

Needs a checkout or an installation of wandb (0.28.3.dev1 was used).
"""

import base64
import hashlib
import json
import os
import tempfile

from wandb.proto import wandb_internal_pb2 as pb
from wandb.sdk.internal.datastore import DataStore

START = 1700000000250


def records():
    run = pb.RunRecord(
        run_id="abc12345", entity="team", project="größe", run_group="group", display_name="first", notes="a note"
    )
    run.tags.extend(["x", "y"])
    run.start_time.FromMilliseconds(START)
    config = {"lr": "0.1", "model": '{"depth":3}'}
    run.config.update.extend(pb.ConfigItem(key=key, value_json=value) for key, value in config.items())
    yield pb.Record(run=run)
    yield pb.Record(config=pb.ConfigRecord(update=[pb.ConfigItem(key="later", value_json='"text"')]))
    # Long names make records of all kinds: whole ones, and ones in two and in three pieces.
    for step, length in enumerate([3, 20000, 20000, 70000, 25470, 5]):
        items = [("n" * length, "0.5"), ("bad", "NaN"), ("worse", "-Infinity"), ("_step", str(step))]
        history = pb.HistoryRecord(item=[pb.HistoryItem(key=k, value_json=v) for k, v in items])
        history.step.num = step
        yield pb.Record(history=history)
    yield pb.Record(summary=pb.SummaryRecord(update=[pb.SummaryItem(key="loss", value_json="0.25")]))
    yield pb.Record(exit=pb.RunExitRecord(exit_code=1, runtime=12))


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "run.wandb")
    store = DataStore()
    store.open_for_write(path)
    for num, record in enumerate(records(), start=1):
        record.num = num
        store.write(record)
    store.close()
    data = open(path, "rb").read()

target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wandb.json")
with open(target, "w") as file:
    json.dump({"start": START, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
               "beginning": base64.b64encode(data[:400]).decode()}, file, indent=2)
    file.write("\n")
