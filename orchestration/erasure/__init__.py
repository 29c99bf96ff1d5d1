"""Erases a person everywhere we keep her, with a receipt; her sources erase her themselves.

relations -> marks -> raw -> warehouse rewritten -> rebuilt -> published -> old snapshots -> receipt
"""
