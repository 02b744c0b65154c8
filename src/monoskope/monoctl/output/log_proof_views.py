"""What a proof of an upload says, as documents and for people."""

from __future__ import annotations

import datetime as dt

from monoskope.client.results.log_proofs import LogComparison, UploadProof
from monoskope.monoctl.output.formats import Document
from monoskope.times import rfc3339

M8S_WORD = "REQUESTED BY and RECORDED are m8's word."
END_BY_M8 = "No receipt says how it ended: what EVENT and REASON say is m8's word, too."
M8S_WORD_ALONE = (
    "The store signed nothing of this request: nothing proves what was asked but the word of m8, and of the person who"
    " gave you the file."
)
NO_WITNESS = "No witness that you named cosigned the log: only m8 says since when the event is in it."
NOT_ENDED = "The request had not ended when the proof was made."


def proof(said: UploadProof) -> Document:
    """A proof, without the proof itself."""
    return {
        "request_id": said.request_id,
        "uri": said.uri,
        "destination": said.destination,
        "purpose": said.purpose,
        "expect": said.expect,
        "identity": said.identity,
        "destination_identity": said.destination_identity,
        "event": said.event,
        "ended": said.ended,
        "outcome": said.outcome,
        "reason": said.reason,
        "hash": said.hash,
        "values": said.values,
        "upstream_version": said.upstream_version,
        "signer": said.signer,
        "signer_key": said.signer_key,
        "subject": said.subject,
        "recorded_at": _time(said.recorded_at),
        "position": said.position,
        "log": said.log,
        "log_size": said.log_size,
        "signed_at": _time(said.signed_at),
        "witnesses": list(said.witnesses),
        "witnessed_at": _time(said.witnessed_at),
    }


def comparison(compared: LogComparison) -> Document:
    """Another person's note beside one's own."""
    return {
        "log": compared.log,
        "size": compared.size,
        "known_size": compared.known_size,
        "signed_at": _time(compared.signed_at),
        "witnesses": list(compared.witnesses),
    }


def lines(said: UploadProof) -> dict[str, str]:
    """Names and values for people; what says nothing is left out."""
    found = {
        "Request": said.request_id,
        "Asked": f"{said.purpose} {said.uri}" + (f" to {said.destination}" if said.destination else ""),
        "Outcome": said.outcome,
        "Event": "" if said.outcome else said.event,
        "Reason": said.reason,
        "Hash": said.hash,
        "Version": said.upstream_version,
        "Identity": said.identity,
        "Identity there": said.destination_identity,
        "Signed by": f"{said.signer} {said.signer_key}".strip(),
        "Witnessed": _time(said.witnessed_at),
        "Witnesses": ", ".join(said.witnesses),
        "Log": f"{said.log}, entry {said.position} of {said.log_size}",
        "Requested by": said.subject,
        "Recorded": _time(said.recorded_at),
    }
    return {name: value for name, value in found.items() if value}


def whose_word(said: UploadProof) -> str:
    """Return what is not proven, as a note."""
    told = [M8S_WORD] if said.identity else [M8S_WORD, M8S_WORD_ALONE]
    if not said.outcome:
        told.append(END_BY_M8)
    if said.witnessed_at is None:
        told.append(NO_WITNESS)
    if not said.ended:
        told.append(NOT_ENDED)
    return " ".join(told)


def _time(at: dt.datetime | None) -> str:
    return "" if at is None else rfc3339(int(at.timestamp() * 1000))
