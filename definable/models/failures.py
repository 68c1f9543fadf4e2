"""What went wrong with a model, in the classes of `calls.Failure`. The table has names; no SDK is imported.

The failures of a model go through the same classes as those of a tool, and the Verifier decides on retries:
the SDKs run with `max_retries=0`.
"""

from __future__ import annotations

from definable.calls import Failure
from definable.errors import ModelError
from definable.limits import Usage
from definable.verify.classify import retry_after

KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
"""The environment variable with each provider's key."""

BASE_URLS = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
"""The environment variable that points a provider elsewhere."""

SDK_ERRORS = {
    # what the service said
    "BadRequestError": Failure.INVALID_INPUT,
    "AuthenticationError": Failure.AUTH_EXPIRED,
    "PaymentRequiredError": Failure.PERMISSION,
    "PermissionDeniedError": Failure.PERMISSION,
    "NotFoundError": Failure.NOT_FOUND,
    "RequestTimeoutError": Failure.NETWORK,
    "ConflictError": Failure.CONFLICT,
    "PreconditionFailedError": Failure.CONFLICT,
    "ContentTooLargeError": Failure.INVALID_INPUT,
    "UnprocessableEntityError": Failure.INVALID_INPUT,
    "RequestHeaderFieldsTooLargeError": Failure.INVALID_INPUT,
    "RateLimitError": Failure.RATE_LIMITED,
    "ContractSpendLimitReachedError": Failure.PERMISSION,
    "EnforcedSpendLimitReachedError": Failure.PERMISSION,
    "ClientClosedRequestError": Failure.NETWORK,
    "InternalServerError": Failure.UPSTREAM_5XX,
    # what happened on the way
    "APIConnectionError": Failure.NETWORK,
    "RetryableError": Failure.NETWORK,
    # an answer that cannot be read
    "APIResponseValidationError": Failure.DRIFT,
    "LengthFinishReasonError": Failure.INVALID_INPUT,
    "ContentFilterFinishReasonError": Failure.PERMISSION,
    # keys
    "SubjectTokenProviderError": Failure.NO_CREDENTIALS,
    "CredentialsError": Failure.NO_CREDENTIALS,
    "WorkloadIdentityError": Failure.NO_CREDENTIALS,
    # parts of the SDKs that this package does not use
    "APIWebhookValidationError": Failure.INVALID_INPUT,
    "WebSocketConnectionClosedError": Failure.NETWORK,
    "WebSocketQueueFullError": Failure.INVALID_INPUT,
    "StreamAlreadyConsumed": Failure.INVALID_INPUT,
    "MutuallyExclusiveAuthError": Failure.INVALID_INPUT,
    "APIRemovedInV1": Failure.INVALID_INPUT,
    "_AmbiguousModuleClientUsageError": Failure.INVALID_INPUT,
    "ToolsetUsageError": Failure.INVALID_INPUT,
    "ToolsetConfigError": Failure.INVALID_INPUT,
    "ToolsetContractError": Failure.INVALID_INPUT,
    "ToolsetsFixedError": Failure.INVALID_INPUT,
    "ToolsetClosedError": Failure.INVALID_INPUT,
    "MissingDependencyError": Failure.INVALID_INPUT,
}
"""SDK exception → class. The nearest ancestor counts; only the roots of the two trees are not named."""

SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
"""OpenAI codes that come as 429 though waiting does not help."""

GAVE_UP = {408, 499}
"""What says that something on the way waited no longer; not every SDK has a class for them."""

HINTS = {
    Failure.AUTH_EXPIRED: "put a key that is accepted into {key}, then resume the run",
    Failure.NO_CREDENTIALS: "set {key}, or unset it and let the offline model answer",
    Failure.PERMISSION: "check the account's credit and what the key in {key} may do",
    Failure.NOT_FOUND: "check the model's name, and that the key in {key} has access to it",
    Failure.NETWORK: "check the network, and {base} if it is set",
    Failure.DRIFT: "check {base} if it is set: what answers there is not this provider",
}


def kind(error: type[BaseException]) -> Failure | None:
    """Return the class of an SDK exception type, or None when nobody has mapped it."""
    return next((SDK_ERRORS[c.__name__] for c in error.__mro__ if c.__name__ in SDK_ERRORS), None)


def from_sdk(provider: str, model: str, error: Exception) -> ModelError:
    """Return the ModelError for what an SDK raised: its class, the service's words, how long to wait."""
    response = getattr(error, "response", None)
    status: int | None = getattr(error, "status_code", None)
    failure = kind(type(error)) or _by_status(status)
    if failure is Failure.RATE_LIMITED and getattr(error, "code", None) in SPENT:
        failure = Failure.PERMISSION
    return ModelError(
        f"{model}: {_what(provider, failure, status, error)}",
        failure=failure,
        retry_after=retry_after(response.headers) if response is not None else None,
        hint=_hint(provider, failure),
        status=status,
    )


def from_response(provider: str, model: str, code: str, words: str, usage: Usage) -> ModelError:
    """Return the error for a 200 whose body says that the service failed (OpenAI's `status: failed`)."""
    classes = {"server_error": Failure.UPSTREAM_5XX, "rate_limit_exceeded": Failure.RATE_LIMITED}
    failure = classes.get(code, Failure.INVALID_INPUT)
    message = f"{model}: the service gave up ({code}): {excerpt(words)}"
    return ModelError(message, failure=failure, hint=_hint(provider, failure), usage=usage.model_dump())


def unreadable(provider: str, model: str, said: str) -> ModelError:
    """Return the error for a 200 that is not what the provider's API answers."""
    return ModelError(
        f"{model}: answered with something that is not the API's JSON: {excerpt(said)!r}",
        failure=Failure.DRIFT,
        hint=_hint(provider, Failure.DRIFT),
    )


def invalid(model: str, what: str, text: str, usage: Usage) -> ModelError:
    """Return the error for an answer that does not have the shape that was asked for."""
    return ModelError(
        f"{model}: {what}: {excerpt(text)!r}",
        failure=Failure.DRIFT,
        hint="it was asked again as often as such an answer is; a stronger model keeps to the shape",
        usage=usage.model_dump(),
        text=text,
    )


def cut_off(model: str, reason: str, max_output_tokens: int, usage: Usage) -> ModelError:
    """Return the error for an answer that ended before it was whole."""
    return ModelError(
        f"{model}: the answer was cut off ({reason}) with {max_output_tokens:,} output tokens allowed",
        failure=Failure.INVALID_INPUT,
        hint="raise the step's `limits.tokens`, or give the agent less to do in one step",
        usage=usage.model_dump(),
    )


def refused(model: str, words: str, usage: Usage) -> ModelError:
    """Return the error for a model that will not do it."""
    return ModelError(
        f"{model}: the model refused: {excerpt(words or 'it gave no reason')!r}",
        failure=Failure.PERMISSION,
        hint="change the step's prompt, or give the step another model",
        usage=usage.model_dump(),
    )


def excerpt(text: str, length: int = 300) -> str:
    """Return the beginning of `text`, for a message."""
    return text if len(text) <= length else text[:length] + "…"


def _what(provider: str, failure: Failure, status: int | None, error: Exception) -> str:
    if failure is Failure.AUTH_EXPIRED:
        # the service's own words repeat a part of the key
        return f"the key in {KEYS[provider]} was not accepted (401)"
    if status is None:
        cause = error.__cause__
        why = f": {type(cause).__name__}: {cause}" if cause else ""
        return excerpt(f"no answer: {error}{why}")
    return f"{status}: {excerpt(_words(error))}"


def _words(error: Exception) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and isinstance(inner.get("message"), str):
            return str(inner["message"])
    return str(error)


def _hint(provider: str, failure: Failure) -> str:
    return HINTS.get(failure, "").format(key=KEYS[provider], base=BASE_URLS[provider])


def _by_status(status: int | None) -> Failure:
    if status is None or status in GAVE_UP:
        return Failure.NETWORK
    return Failure.UPSTREAM_5XX if status >= 500 else Failure.INVALID_INPUT
