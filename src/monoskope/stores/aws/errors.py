"""What the error codes of AWS mean. The texts of AWS are never read; each error has a sentence of this driver.

The codes are those of the services' API references and of the errors common to all of AWS.
"""

from __future__ import annotations

from monoskope.errors import docs_page
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
"""The credentials were good once. Nothing was done, so the request may be repeated with newer ones."""

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
    }
)
_UNKNOWN = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "UnauthorizedException"}
)
_KEY = frozenset(
    {
        "DecryptionFailure",
        "EncryptionFailure",
        "InvalidKeyId",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
    }
)
_FULL = frozenset(
    {"LimitExceededException", "ParameterLimitExceeded", "ParameterMaxVersionLimitExceeded", "TooManyTagsError"}
)


_REFUSED = (
    (_UNKNOWN, "AWS does not accept the credentials.", "Give the reactor others."),
    (_DENIED, "the IAM policy does not allow this.", f"Grant the policy in {docs_page('stores/aws.md')}."),
    (_KEY, "AWS cannot use the KMS key.", "Check kms_key_id, the key's state, and that its policy grants its use."),
    (_FULL, "a quota of AWS is used up.", "Raise the quota, or remove what is not needed."),
)


def failure(code: str, status: int, *, writes: bool) -> DriverError:
    """Return the error that an answer is.

    Args:
        code: The answer's error code, without its text.
        status: The HTTP status.
        writes: Whether the request could have made a version current or taken one away.
    """
    if 300 <= status < 400:
        return StoreRefusedError(
            "AWS answered with a redirect, which is never followed.", fix="Correct region and endpoint_url."
        )
    if code in _THROTTLED or status == 429:
        return StoreUnavailableError("AWS asks to wait: too many requests.", fix="Try again later.")
    if code in EXPIRED:
        return StoreUnavailableError(
            "the AWS credentials have expired, or the clock is wrong.", fix="Renew them where the SDK finds them."
        )
    for codes, sentence, fix in _REFUSED:
        if code in codes:
            return StoreRefusedError(sentence, fix=fix)
    if status >= 500:
        return broken() if writes else StoreUnavailableError("AWS failed.", fix="Try again later.")
    return malformed()


def malformed() -> StoreRefusedError:
    """Return the error of a request that the service would never take."""
    return StoreRefusedError("AWS refused the request.", fix="Look into CloudTrail for the reason.")


def broken() -> UnknownOutcomeError:
    """Return the error of a write that may have happened."""
    return UnknownOutcomeError("the connection to AWS broke after a write had been sent.", fix="Look it up.")


def silent() -> StoreUnavailableError:
    """Return the error of a service that nothing can have reached, or that was only asked."""
    return StoreUnavailableError("AWS does not answer.", fix="Check region, endpoint_url and the network.")
