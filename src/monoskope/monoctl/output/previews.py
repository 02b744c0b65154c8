"""What a put or a patch would send, as a document: without a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.outcomes import spelled

if TYPE_CHECKING:
    from monoskope.client.preview import Preview


def preview(would: Preview) -> Document:
    """Return what would be sent to one secret; `removes` only of a patch."""
    return {
        "uri": would.uri,
        "purpose": spelled(upload_pb2.Purpose, would.purpose),
        "expect": would.expect,
        "size_class": would.size_class,
        "sizes": would.sizes,
        **({"removes": list(would.removes)} if would.rules.merges else {}),
        "identity": would.identity,
        # The preview's own field is the pinned identity; "" is none.
        "pinned": would.pinned,
        "layout": would.layout,
    }
