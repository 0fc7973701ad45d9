//! What a server says of a transfer to anyone who knows its id.

use std::sync::Arc;

use haulier_wire::TransferId;
use haulier_wire::api::Info;

use crate::ambient::Ambient;
use crate::error::{Error, IntegrityError};
use crate::http::{Api, Retry, RetryPolicy, Role, Server, until_final};
use crate::progress::Progress;

/// Which transfer to ask about, and how.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// The server.
    pub server: Server,
    /// The transfer.
    pub transfer_id: TransferId,
    /// When requests are sent again.
    pub retry: RetryPolicy,
}

/// Asks the server about a transfer. No token travels, nothing is counted as a download, and nothing of the answer is
/// authentic: only the sender's sealed metadata is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Deleted`], [`Error::Expired`], and whatever stands between.
pub async fn inspect(options: InspectOptions, ambient: Ambient, progress: Arc<dyn Progress>) -> Result<Info, Error> {
    let api = Api::new(options.server)?;
    let retry = Retry::new(options.retry, ambient, progress);
    let info = until_final!(retry, api.info(options.transfer_id));
    let info = info.map_err(|error| error.into_error(api.server().base(), Role::Download))?;
    if info.transfer_id == options.transfer_id { Ok(info) } else { Err(IntegrityError::OtherTransfer.into()) }
}
