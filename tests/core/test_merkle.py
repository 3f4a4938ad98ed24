"""The tree is RFC 9162's: known roots, and every proof there is for small trees."""

import pytest

from tallystick.core import merkle

# The eight entries and their roots that Certificate Transparency implementations test with.
ENTRIES = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58)), bytes(range(0x60, 0x70))]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(33)]


def test_the_published_roots() -> None:
    assert merkle.tree_root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES]
    assert [merkle.tree_root(leaves[:size]).hex() for size in range(1, 9)] == ROOTS


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH as the RFC defines it, by halves."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return merkle.node_hash(defined_root(leaves[:split]), defined_root(leaves[split:]))


@pytest.mark.parametrize("size", range(1, 34))
def test_the_frontier_gives_the_root_of_the_definition(size: int) -> None:
    frontier: list[bytes] = []
    for number in range(size):
        merkle.push(frontier, number, LEAVES[number])
    assert merkle.root_of(merkle.unpack(merkle.pack(frontier))) == defined_root(LEAVES[:size])
    assert len(frontier) == size.bit_count()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 33])
def test_inclusion_is_proven_for_every_leaf_and_for_no_other(size: int) -> None:
    leaves, root = LEAVES[:size], merkle.tree_root(LEAVES[:size])
    for index in range(size):
        proof = merkle.inclusion_proof(leaves, index)
        assert merkle.is_included(leaves[index], index, size, proof, root)
        assert not merkle.is_included(merkle.leaf_hash(b"other"), index, size, proof, root)
        assert not merkle.is_included(leaves[index], index + 1, size, proof, root)
        assert not merkle.is_included(leaves[index], index, size, [*proof, bytes(32)], root)
        for place in range(len(proof)):
            assert not merkle.is_included(leaves[index], index, size, [*proof[:place], bytes(32), *proof[place + 1:]], root)


def test_consistency_is_proven_for_every_pair_and_for_no_other() -> None:
    for size in range(1, 20):
        root = merkle.tree_root(LEAVES[:size])
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(LEAVES[:size], old)
            old_root = merkle.tree_root(LEAVES[:old])
            assert merkle.is_consistent(old, old_root, size, root, proof)
            forged = merkle.tree_root([merkle.leaf_hash(b"forged"), *LEAVES[1:old]])
            assert not merkle.is_consistent(old, forged, size, root, proof)
            assert not merkle.is_consistent(old, old_root, size, bytes(32), proof)


def test_what_is_no_tree_is_said_so() -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.inclusion_proof(LEAVES, 33)
    with pytest.raises(ValueError, match="older"):
        merkle.consistency_proof(LEAVES, 34)
    with pytest.raises(ValueError, match="32-byte"):
        merkle.unpack(b"short")
