"""What a request carries besides text: content in the body itself (base64, `data:` URLs), addresses
the provider will fetch, and objects that it keeps. Only counted and measured, never looked at.
"""

from __future__ import annotations


class Enclosed:
    """A running count over the parts of one request. `size`: bytes of inline content as they stand."""

    __slots__ = ("count", "objects", "size", "urls")

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self.urls = 0
        self.objects: list[str] = []

    def add(self, address: object) -> None:
        """A `data:` URL or base64 is content, any other URL a reference."""
        if isinstance(address, str) and address.startswith(("http:", "https:")):
            self.urls += 1
        else:
            self.add_inline(address)

    def add_inline(self, data: object) -> None:
        """Content that stands in the body."""
        if isinstance(data, str) and data:
            self.count += 1
            self.size += len(data)

    def add_object(self, id: object) -> None:
        """Something the provider keeps."""
        if isinstance(id, str) and id:
            self.objects.append(id)
