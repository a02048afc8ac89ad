"""What is made of the texts in which stores and their libraries fail."""

import pytest

from imageflow_clients.store_failures import explain

REFUSED = (
    "The operation lacked the necessary privileges to complete for path a: Error performing PUT "
    "http://127.0.0.1:{port}/imageflow/a in {took} - Server returned non-2xx status code: 403 Forbidden: "
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
)


@pytest.mark.parametrize("took", ["507µs", "507.3ms", "401ms", "500.1µs", "28ms"])
@pytest.mark.parametrize("port", [9000, 507, 401])
@pytest.mark.parametrize(
    ("code", "said"),
    [("SignatureDoesNotMatch", "refuses our keys"), ("AccessDenied", "does not let this account write 'a'")],
)
def test_a_number_that_is_no_status_is_not_taken_for_one(took: str, port: int, code: str, said: str) -> None:
    error = PermissionError(REFUSED.format(took=took, port=port, code=code))
    assert said in str(explain("'s3://imageflow'", "a", error, request="write"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Server returned non-2xx status code: 507 Insufficient Storage: ", "is full"),
        ("An error occurred (507) when calling the PutObject operation: Insufficient Storage", "is full"),
        ("An error occurred (403) when calling the HeadBucket operation: Forbidden", "does not let this account"),
        ("Server returned non-2xx status code: 401 Unauthorized: ", "refuses our keys"),
        ("Server returned non-2xx status code: 503 Service Unavailable: ", "does not say why"),
    ],
)
def test_a_status_alone_says_what_is_wrong(text: str, said: str) -> None:
    assert said in str(explain("'s3://imageflow'", "a", OSError(text), request="write"))
