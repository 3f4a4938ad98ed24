"""The tree over a ledger, as RFC 9162 §2.1 (Certificate Transparency) has it: a leaf is
SHA-256(0x00 ∥ bytes), a node SHA-256(0x01 ∥ left ∥ right). One root stands for every entry before it;
a short proof shows that an entry is under a root, or that an older root is a prefix of a newer one.

A writer keeps only the *frontier*: the roots of the perfect subtrees, one per set bit of the size,
largest first. Appending touches few of them, and the root is their fold from the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()            # RFC 9162 §2.1.1: the hash of an empty list


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def push(frontier: list[bytes], size: int, leaf: bytes) -> None:
    """Append a leaf hash to a tree of `size` leaves, in place."""
    while size & 1:
        leaf = node_hash(frontier.pop(), leaf)
        size >>= 1
    frontier.append(leaf)


def root_of(frontier: Sequence[bytes]) -> bytes:
    """The root hash of the tree with this frontier."""
    if not frontier:
        return EMPTY_ROOT
    root = frontier[-1]
    for left in reversed(frontier[:-1]):
        root = node_hash(left, root)
    return root


def pack(frontier: Sequence[bytes]) -> bytes:
    return b"".join(frontier)


def unpack(packed: bytes) -> list[bytes]:
    """The frontier from its packed form. Raises ValueError when it is not whole hashes."""
    if len(packed) % HASH_BYTES:
        raise ValueError("a frontier is a row of 32-byte hashes")
    return [packed[i:i + HASH_BYTES] for i in range(0, len(packed), HASH_BYTES)]


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1 over leaf hashes."""
    frontier: list[bytes] = []
    for size, leaf in enumerate(leaves):
        push(frontier, size, leaf)
    return root_of(frontier)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """PATH of RFC 9162 §2.1.3.1: what, with the leaf, gives the root of all `leaves`.

    Raises ValueError when there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError("no such leaf")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), tree_root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), tree_root(leaves[:split])]


def inclusion_spans(index: int, size: int) -> list[tuple[int, int]]:
    """Of which leaves (first, end) each hash of such a proof is the root, in the proof's order: what a reader needs who does not
    hold all leaves at once. Raises ValueError as `inclusion_proof` does."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    spans, first, end = list[tuple[int, int]](), 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        left = index < middle
        spans.append((middle, end) if left else (first, middle))
        first, end = (first, middle) if left else (middle, end)
    return spans[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 §2.1.3.2: whether the proof shows that `leaf` is number `index` of `size` under `root`."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and found == root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """PROOF of RFC 9162 §2.1.4.1: that the tree of the first `old_size` leaves is a prefix of this one.

    Raises ValueError unless 0 < old_size ≤ the tree's size.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError("the older tree is not within this one")
    return _subproof(leaves, old_size, whole=True)


def is_consistent(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 §2.1.4.2: whether the proof shows the older tree to be a prefix of the newer."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == root


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), tree_root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, whole=False), tree_root(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size` (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)
