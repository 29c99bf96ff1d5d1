import subprocess
import sys

from serving.randomness import random_hex

FORK = """
import os
from serving.randomness import random_hex
random_hex()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, " ".join(random_hex() for _ in range(300)).encode())
    os._exit(0)
os.wait()
childs = set(os.read(read, 60_000).decode().split())
mine = {random_hex() for _ in range(300)}
assert len(childs) == len(mine) == 300 and not childs & mine
"""


def test_a_forked_child_draws_other_ids_than_its_parent() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True)


def test_ids_are_sixteen_bytes_and_differ_beyond_one_drawing() -> None:
    drawn = [random_hex() for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
    assert all(len(bytes.fromhex(one)) == 16 for one in drawn)
