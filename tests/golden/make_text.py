"""Writes text.json: glyph metrics of DejaVu Sans as FreeType (through Pillow) reads them from Debian's own font file."""
import json
from pathlib import Path

from PIL import ImageFont

size = 1000
font = ImageFont.truetype(
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", size, layout_engine=ImageFont.Layout.BASIC
)
glyphs = {}
for character in "AgQ%0éżЖΩ":
    _, top, _, bottom = font.getbbox(character, anchor="ls")
    left, _, right, _ = font.getmask(character).getbbox()
    glyphs[character] = {
        "advance": font.getlength(character),
        "inkWidth": right - left,
        "inkTop": -top,
        "inkBottom": -bottom,
    }
Path(__file__).with_name("text.json").write_text(json.dumps({"size": size, "glyphs": glyphs}, ensure_ascii=False))
