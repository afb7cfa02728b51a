"""Writes tensorboard.json: records as TensorBoard's own library encodes them, in base64.

Needs a checkout or an installation of TensorBoard (2.22.0a0 was used) with its protocol messages compiled.
"""

import base64
import json
import os
import tempfile

import numpy as np
from google.protobuf import struct_pb2
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.histogram import summary_v2 as histogram
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

WALL_TIME = 1700000000.25
PNG = bytes([0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10, 1, 2, 3])


def encode(message):
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def event(summary, step=0):
    return encode(event_pb2.Event(wall_time=WALL_TIME, step=step, summary=summary))


def tensor_summary(tag, value, meta):
    tensor = tensor_util.make_tensor_proto(value, dtype=types_pb2.DT_STRING)
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, metadata=meta, tensor=tensor)])


def hparams_event(tag, **data):
    content = plugin_data_pb2.HParamsPluginData(**data)
    meta = metadata.create_summary_metadata(content)
    value = summary_pb2.Summary.Value(tag=tag, metadata=meta, tensor=metadata.NULL_TENSOR)
    return event(summary_pb2.Summary(value=[value]))


def session_start(name, **value):
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=WALL_TIME)
    start.hparams[name].MergeFrom(struct_pb2.Value(**value))
    return hparams_event(metadata.SESSION_START_INFO_TAG, session_start_info=start)


def experiment():
    infos = [("lr", "DATA_TYPE_FLOAT64"), ("model/name", "DATA_TYPE_STRING"), ("nesterov", "DATA_TYPE_BOOL")]
    return api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(t)) for name, t in infos],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag="val_loss"))],
    )


def event_file():
    """A file that TensorBoard's writer wrote, without its first record, which holds the time."""
    with tempfile.TemporaryDirectory() as folder:
        writer = EventFileWriter(folder)
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="loss", simple_value=0.1)])
        writer.add_event(event_pb2.Event(wall_time=WALL_TIME, step=7, summary=summary))
        writer.close()
        data = open(os.path.join(folder, os.listdir(folder)[0]), "rb").read()
    first = int.from_bytes(data[:8], "little") + 16
    return base64.b64encode(data[first:]).decode()


numbers = [-1.5, 0.0, 0.25, 0.25, 3.0, 3.0, 2.999]
scalars = summary_pb2.Summary(
    value=[
        summary_pb2.Summary.Value(tag="loss", simple_value=0.1),
        summary_pb2.Summary.Value(tag="acc/val", simple_value=0.0),
        summary_pb2.Summary.Value(tag="nan", simple_value=float("nan")),
    ]
)
golden = {
    "wallTime": WALL_TIME,
    "numbers": numbers,
    "png": base64.b64encode(PNG).decode(),
    "record": event_file(),
    "maskedCrc": masked_crc32c(b"kindling"),
    "fileVersion": encode(event_pb2.Event(wall_time=WALL_TIME, file_version="brain.Event:2")),
    "scalars": event(scalars, 12345678),
    "histogram": event(histogram.histogram_pb("weights", numbers), 3),
    "equalHistogram": event(histogram.histogram_pb("weights", [2.0, 2.0]), 3),
    "image": event(
        tensor_summary(
            "photo", [b"3", b"2", PNG], summary_pb2.SummaryMetadata(
                plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name=image_metadata.PLUGIN_NAME)
            ),
        ),
        4,
    ),
    "text": event(tensor_summary("note", "# größe", text_metadata.create_summary_metadata(None, None)), 5),
    "experiment": hparams_event(metadata.EXPERIMENT_TAG, experiment=experiment()),
    "sessionOfNumber": session_start("lr", number_value=0.125),
    "sessionOfString": session_start("model/name", string_value="größe"),
    "sessionOfBoolean": session_start("nesterov", bool_value=True),
    "sessionEnd": hparams_event(
        metadata.SESSION_END_INFO_TAG,
        session_end_info=plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_FAILURE, end_time_secs=WALL_TIME),
    ),
}
assert np.asarray(numbers).dtype == np.float64
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tensorboard.json")
with open(path, "w") as file:
    json.dump(golden, file, indent=2)
    file.write("\n")
