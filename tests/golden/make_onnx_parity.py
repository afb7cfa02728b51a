"""Golden gradients of tiny networks of many families, with the ONNX files they are for: python3 make_onnx_parity.py"""
import gzip
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "onnx_parity")
sys.path.insert(0, os.path.join(HERE, "../../bench/peers"))

from onnx_models import FAMILIES
from onnx_parity import main

os.makedirs(FOLDER, exist_ok=True)
for name in FAMILIES:
    main(name, FOLDER, tiny=True, seed=None)
    path = os.path.join(FOLDER, f"{name}.onnx")
    with open(path, "rb") as file, open(f"{path}.gz", "wb") as packed:
        packed.write(gzip.compress(file.read(), mtime=0))
    os.remove(path)
