"""Compiled HLO as libtpu writes it, cut to what is read of it.

Collectives over axes of the mesh, one of them spread over two fusions; a loop of 8 turns.
"""

from pathlib import Path

TPU = Path(__file__).with_name("tpu.hlo").read_text(encoding="utf-8")
