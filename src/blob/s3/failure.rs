//! How a request to the store failed, and what that calls for: another try, an answer, or a person.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::store::StoreError;

/// Why one request did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such object, or not so much of it.
    Absent,
    /// No space is left, or the quota is used up.
    Full,
    /// The store asks for fewer requests, or does not answer in time.
    Overloaded(anyhow::Error),
    /// Unreachable, broken off, or failed by its own account: another try may work.
    Away(anyhow::Error),
    /// Another try would end in the same way: credentials, rights, a bucket that is not there.
    Refused(anyhow::Error),
}

impl Failure {
    /// Whether the same request may work a moment later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Away(_))
    }

    /// The store let time pass without a byte.
    pub(super) fn silent(what: &'static str) -> Self {
        Self::Overloaded(anyhow::anyhow!(what))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Overloaded(source) | Failure::Away(source) => Self::unavailable(source),
            Failure::Refused(source) => Self::internal(source),
            Failure::Absent => Self::internal(anyhow::anyhow!("the store says that there is no such object")),
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(answer) => {
                let (code, text) =
                    (answer.err().code().unwrap_or_default(), answer.err().message().unwrap_or_default());
                of_answer(answer.raw().status().as_u16(), code, text)
            }
            // An answer that says that all is well and cannot be read to its end was cut on the way.
            SdkError::ResponseError(answer) if answer.raw().status().is_success() => {
                Self::Away(anyhow::anyhow!("the store's answer broke off"))
            }
            SdkError::ResponseError(answer) => of_answer(answer.raw().status().as_u16(), "", ""),
            SdkError::TimeoutError(_) => Self::Overloaded(anyhow::Error::new(error)),
            SdkError::ConstructionFailure(_) => Self::Refused(anyhow::Error::new(error)),
            // Connections that break, and credentials that cannot be fetched just now.
            _ => Self::Away(anyhow::Error::new(error)),
        }
    }
}

/// What status, error code and text mean; the code counts more than the status. The text may name the access key: it
/// is looked at, and told to nobody.
fn of_answer(status: u16, code: &str, text: &str) -> Failure {
    let said = || anyhow::anyhow!("the store answered {status} {code}");
    // Garage calls a full disk 503 ServiceUnavailable, and MinIO, when it did not see it coming, 500 InternalError.
    // What a store finds out only after its 200 stands in the body, behind that status.
    if (status >= 500 || status == 200) && text.to_ascii_lowercase().contains("no space left on device") {
        return Failure::Full;
    }
    match (code, status) {
        ("NoSuchBucket", _) => Failure::Refused(said()),
        ("NoSuchKey" | "NoSuchUpload" | "NotFound" | "InvalidRange", _) | (_, 404 | 416) => Failure::Absent,
        ("XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "InsufficientStorage" | "QuotaExceeded", _)
        | (_, 507) => Failure::Full,
        (
            "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "TooManyRequests" | "Throttling" | "ServiceUnavailable",
            _,
        )
        | (_, 429 | 503) => Failure::Overloaded(said()),
        // Damaged or cut on the way (the first three say that the checksum is wrong), or credentials being exchanged.
        (
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentChecksumMismatch"
            | "IncompleteBody"
            | "RequestTimeout"
            | "OperationAborted"
            | "InternalError"
            | "ExpiredToken",
            _,
        )
        | (_, 408 | 500 | 502 | 504) => Failure::Away(said()),
        _ => Failure::Refused(said()),
    }
}

#[cfg(test)]
mod tests;
